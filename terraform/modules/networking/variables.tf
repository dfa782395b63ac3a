variable "name" {
  description = "Project and environment, such as retailflow-dev."
  type        = string
}

variable "resource_group_name" {
  description = "Resource group of everything here."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "address_space" {
  description = "A /20."
  type        = string
}

variable "hub_network" {
  description = "The network to peer with, or null."
  type        = object({ id = string, name = string, resource_group_name = string })
  default     = null
}

variable "has_clusters" {
  description = "Whether jobs run on clusters in this network, which need a way out; false where all compute is serverless."
  type        = bool
}

variable "private_endpoints" {
  description = "By name, what gets a private endpoint; none where all is public."
  type        = map(object({ resource_id = string, subresource = string }))
  default     = {}
}

variable "tags" {
  description = "Of every resource."
  type        = map(string)
}
