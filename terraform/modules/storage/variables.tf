variable "account_name" {
  description = "Name of the account, unique in all of Azure: 3 to 24 lower-case letters and digits."
  type        = string
}

variable "raw_container" {
  description = "Name of the RAW container."
  type        = string
  default     = "raw"
}

variable "resource_group_name" {
  description = "Resource group of all resources in this module."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "replication" {
  description = "LRS, or ZRS for copies in three zones."
  type        = string
  default     = "LRS"
}

variable "is_private" {
  description = "Whether the account is reachable only through private endpoints."
  type        = bool
}

variable "raw_immutability_days" {
  description = "How many days nobody can change or delete a blob of RAW."
  type        = number
  default     = 14

  validation {
    condition     = var.raw_immutability_days >= 1 && var.raw_immutability_days + var.soft_delete_days < var.erasure_deadline_days
    error_message = "Data can be erased ${var.raw_immutability_days + var.soft_delete_days} days after its delivery at the earliest, but the deadline is ${var.erasure_deadline_days} days: shorten raw_immutability_days or soft_delete_days."
  }
}

variable "soft_delete_days" {
  description = "How many days a deleted blob can be restored."
  type        = number
  default     = 7
}

variable "erasure_deadline_days" {
  description = "Days within which a person's data must be erased (GDPR, article 12: one month)."
  type        = number
  default     = 28
}

variable "raw_writer_role" {
  description = "Name (unique in the tenant) and scope of the role that creates blobs of RAW."
  type        = object({ name = string, scope = string })
}

variable "raw_eraser_role" {
  description = "Name (unique in the tenant) and scope of the role that also deletes blobs of RAW."
  type        = object({ name = string, scope = string })
}

variable "connector_principal_id" {
  description = "Object id of the access connector that Unity Catalog uses to read RAW and write tables."
  type        = string
}

variable "airflow_principal_id" {
  description = "Object id of the service principal that waits for deliveries in RAW, or null."
  type        = string
  default     = null
}

variable "ingestion_principal_id" {
  description = "Object id of the service principal that writes RAW, or null."
  type        = string
  default     = null
}

variable "eraser_principal_id" {
  description = "Object id of the service principal that deletes from RAW, or null."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
}
