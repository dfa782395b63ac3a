variable "name" {
  description = "Project and environment, such as retailflow-dev."
  type        = string
}

variable "subscription_id" {
  description = "Azure's id of the subscription, a UUID."
  type        = string
}

variable "resource_group_name" {
  description = "Resource group of everything here."
  type        = string
}

variable "managed_resource_group_name" {
  description = "Resource group of the workspace's clusters; the budget counts it too."
  type        = string
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

variable "key_vault_ids" {
  description = "By name, the Key Vaults whose reads and changes are logged."
  type        = map(string)
}

variable "daily_log_gigabytes" {
  description = "A day with more logs sends a mail."
  type        = number
  default     = 5
}

variable "workspace_id" {
  description = "The Databricks workspace whose audit log is kept."
  type        = string
}

variable "tags" {
  description = "Of every resource."
  type        = map(string)
}
