variable "name" {
  description = "Project and environment, for example retailflow-dev."
  type        = string
}

variable "subscription_id" {
  description = "Id of the subscription, a UUID."
  type        = string
}

variable "resource_group_name" {
  description = "Resource group of all resources in this module."
  type        = string
}

variable "managed_resource_group_name" {
  description = "Resource group of the workspace's clusters; the budget includes it."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "retention_days" {
  description = "How many days logs are kept."
  type        = number
  default     = 30
}

variable "alert_addresses" {
  description = "E-mail addresses that get the alerts."
  type        = list(string)

  validation {
    condition     = length(var.alert_addresses) > 0
    error_message = "alert_addresses of the environment file is empty: nobody would get the alerts."
  }
}

variable "monthly_budget" {
  description = "Monthly budget in the currency of the subscription."
  type        = number
}

variable "storage_account_id" {
  description = "Id of the storage account whose writes and deletions are logged."
  type        = string
}

variable "key_vault_ids" {
  description = "Ids, by name, of the Key Vaults whose reads and changes are logged."
  type        = map(string)
}

variable "daily_log_gigabytes" {
  description = "Gigabytes of logs per day above which an alert is sent."
  type        = number
  default     = 5
}

variable "workspace_id" {
  description = "Id of the Databricks workspace whose audit log is kept."
  type        = string
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
}
