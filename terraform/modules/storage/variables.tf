variable "account_name" {
  description = "Unique in all of Azure: 3 to 24 lower-case letters and digits."
  type        = string
}

variable "raw_container" {
  description = "Name of the RAW container."
  type        = string
  default     = "raw"
}

variable "resource_group_name" {
  description = "Resource group of everything here."
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
  description = "Whether the account is reached by private endpoints only."
  type        = bool
}

variable "raw_immutability_days" {
  description = "How long nobody can change or delete a blob of RAW."
  type        = number
  default     = 14

  validation {
    condition     = var.raw_immutability_days >= 1 && var.raw_immutability_days + var.soft_delete_days < var.erasure_deadline_days
    error_message = "What must be erased is gone ${var.raw_immutability_days + var.soft_delete_days} days after it came at the earliest, but the deadline is ${var.erasure_deadline_days} days: shorten raw_immutability_days or soft_delete_days."
  }
}

variable "soft_delete_days" {
  description = "How long a deleted blob can be brought back."
  type        = number
  default     = 7
}

variable "erasure_deadline_days" {
  description = "Within which a person's data must be gone where the law says so (GDPR, article 12: one month)."
  type        = number
  default     = 28
}

variable "raw_writer_role" {
  description = "Name of the role that creates blobs of RAW, unique in the tenant, and where it can be given."
  type        = object({ name = string, scope = string })
}

variable "raw_eraser_role" {
  description = "Name of the role that also deletes blobs of RAW, unique in the tenant, and where it can be given."
  type        = object({ name = string, scope = string })
}

variable "connector_principal_id" {
  description = "Object id of the access connector by which Unity Catalog reads RAW and writes tables."
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
  description = "Of every resource."
  type        = map(string)
}
