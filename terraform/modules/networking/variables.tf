variable "name" {
  description = "Project and environment, for example retailflow-dev."
  type        = string
}

variable "resource_group_name" {
  description = "Resource group of all resources in this module."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "address_space" {
  description = "Address space of the network, a /20."
  type        = string
}

variable "hub_network" {
  description = "The network to peer with, or null."
  type        = object({ id = string, name = string, resource_group_name = string })
  default     = null
}

variable "has_clusters" {
  description = "Whether jobs run on clusters in this network and need outbound access; false for serverless compute."
  type        = bool
}

variable "private_endpoints" {
  description = "The resources that get a private endpoint, by name; empty if all are public."
  type        = map(object({ resource_id = string, subresource = string }))
  default     = {}
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
}
