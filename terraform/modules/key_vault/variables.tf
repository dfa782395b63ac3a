variable "name" {
  description = "Name of the vault, unique in all of Azure."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$", var.name))
    error_message = "A Key Vault's name has 3 to 24 letters, digits and hyphens, and begins with a letter: set key_vault_name, to which Airflow's vault adds -air."
  }
}

variable "resource_group_name" {
  description = "Resource group of the vault."
  type        = string
}

variable "location" {
  description = "Azure region."
  type        = string
}

variable "tenant_id" {
  description = "Entra tenant whose identities can get access."
  type        = string
}

variable "is_private" {
  description = "Whether the vault is reachable only through a private endpoint."
  type        = bool
}

variable "is_secret_scope" {
  description = "Whether a Databricks secret scope reads the vault, as a trusted Azure service."
  type        = bool
}

variable "reader_principal_id" {
  description = "Object id of the only identity that reads the secrets, or null."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the vault."
  type        = map(string)
}
