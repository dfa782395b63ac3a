variable "name" {
  description = "Project and environment, such as retailflow-dev."
  type        = string
}

variable "resource_group" {
  description = "What the budget counts."
  type        = object({ id = string, name = string })
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

variable "alert_addresses" {
  description = "Who gets alerts by mail."
  type        = list(string)

  validation {
    condition     = length(var.alert_addresses) > 0
    error_message = "alert_addresses of the environment file is empty: an alert that nobody gets is none."
  }
}

variable "monthly_budget" {
  description = "In the currency of the subscription."
  type        = number
}

variable "storage_account_id" {
  description = "Whose writes and deletions are logged."
  type        = string
}

variable "key_vault_id" {
  description = "Whose reads and changes are logged."
  type        = string
}

variable "workspace_id" {
  description = "The Databricks workspace whose audit log is kept."
  type        = string
}

variable "tags" {
  description = "Of every resource."
  type        = map(string)
}
