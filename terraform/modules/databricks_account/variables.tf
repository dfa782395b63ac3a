variable "name" {
  description = "Project and environment, for example retailflow-dev."
  type        = string
}

variable "environment" {
  description = "dev, stg or prod; part of the group names."
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
  description = "The roles; each has a group."
  type        = set(string)
}

variable "airflow_client_id" {
  description = "Client id of the Entra service principal that Airflow submits as. If null, Databricks creates one."
  type        = string
  default     = null
}

variable "deployer_client_id" {
  description = "Client id of the Entra service principal that installs releases. If null, Databricks creates one."
  type        = string
  default     = null
}

variable "github_repository" {
  description = "owner/name of the repository whose workflows sign in as the deployer, or null."
  type        = string
  default     = null
}

variable "metastore_id" {
  description = "The metastore of the region; null if the account assigns it to new workspaces."
  type        = string
  default     = null
}

variable "workspace_id" {
  description = "Id of the workspace in Databricks, a number."
  type        = string
}

variable "is_private" {
  description = "Whether serverless compute connects to storage through private endpoints."
  type        = bool
}

variable "storage_account_id" {
  description = "The storage account that serverless compute connects to."
  type        = string
}

variable "tags" {
  description = "Tags of the costs of serverless compute."
  type        = map(string)
}
