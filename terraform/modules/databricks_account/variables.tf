variable "name" {
  description = "Project and environment, such as retailflow-dev."
  type        = string
}

variable "environment" {
  description = "dev, stg or prod; part of the names of groups."
  type        = string
}

variable "account_id" {
  description = "Id of the Databricks account."
  type        = string
}

variable "location" {
  description = "Azure region of the workspace."
  type        = string
}

variable "roles" {
  description = "The roles, a group each."
  type        = set(string)
}

variable "airflow_client_id" {
  description = "Client id of the Entra service principal that Airflow submits as; null for one that Databricks makes."
  type        = string
  default     = null
}

variable "deployer_client_id" {
  description = "Client id of the Entra service principal that installs releases; null for one that Databricks makes."
  type        = string
  default     = null
}

variable "github_repository" {
  description = "owner/name of the repository whose workflows sign in as the deployer, or null."
  type        = string
  default     = null
}

variable "metastore_id" {
  description = "The metastore of the region; null where the account assigns new workspaces to it by itself."
  type        = string
  default     = null
}

variable "workspace_id" {
  description = "Databricks' number of the workspace."
  type        = string
}

variable "is_private" {
  description = "Whether serverless compute reaches storage by private endpoints."
  type        = bool
}

variable "storage_account_id" {
  description = "The storage account that it reaches."
  type        = string
}

variable "tags" {
  description = "Of what serverless compute costs."
  type        = map(string)
}
