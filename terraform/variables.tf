variable "environment" {
  description = "dev, stg or prod: selects include/retailflow/environments/<environment>.yaml, which has the names."
  type        = string

  validation {
    condition     = contains(["dev", "stg", "prod"], var.environment)
    error_message = "environment is ${var.environment}; allowed are dev, stg and prod. A laptop needs no Terraform."
  }
}

variable "location" {
  description = "Azure region."
  type        = string
  default     = "westeurope"
}

variable "databricks_account_id" {
  description = "Id of the Databricks account, as accounts.azuredatabricks.net shows it."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.databricks_account_id))
    error_message = "databricks_account_id is not a UUID; accounts.azuredatabricks.net shows it in the menu of the user."
  }
}

variable "metastore_id" {
  description = "Id of the Unity Catalog metastore of the region. Leave it out if the account assigns one to new workspaces."
  type        = string
  default     = null
}

variable "airflow_principal" {
  description = "Entra service principal that Airflow uses to submit jobs, wait for deliveries in RAW, and read its own Key Vault. Without it, Databricks creates one that can only submit jobs."
  type        = object({ client_id = string, object_id = string })
  default     = null
}

variable "ingestion_principal_object_id" {
  description = "Object id of the Entra service principal that writes RAW. The Key Vault has its id and secret as raw-client-id and raw-client-secret."
  type        = string
  default     = null
}

variable "eraser_principal" {
  description = "Object id of the Entra service principal that deletes a person's data from RAW. The Key Vault has its id and secret as raw-eraser-*. Without it, nobody can delete from RAW."
  type        = string
  default     = null
}

variable "deployer_client_id" {
  description = "Client id of the Entra service principal that installs releases. Without it, Databricks creates one."
  type        = string
  default     = null
}

variable "github_repository" {
  description = "owner/name of the GitHub repository whose workflows install releases. They sign in without a secret."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[^/]+/[^/]+$", coalesce(var.github_repository, "owner/name")))
    error_message = "github_repository is owner/name, for example example/retailflow."
  }
}

variable "azure_databricks_object_id" {
  description = "Object id, in your tenant, of Microsoft's application AzureDatabricks, which reads the Key Vault for the secret scope."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.azure_databricks_object_id))
    error_message = "azure_databricks_object_id is not a UUID; docs/DEPLOYMENT.md has the command that shows it. Without it no job could read a secret."
  }
}

variable "key_vault_name" {
  description = "Name of the Key Vault, unique in all of Azure; by default kv-retailflow-<environment>. Airflow's vault has the suffix -air."
  type        = string
  default     = null
}

variable "private_endpoints" {
  description = "Whether storage, Key Vault and workspace are reachable only through private endpoints; by default in all environments except dev."
  type        = bool
  default     = null

  validation {
    condition     = var.environment != "prod" || var.private_endpoints != false
    error_message = "prod has no public endpoint: leave private_endpoints out."
  }
}

variable "hub_network" {
  description = "The virtual network from which Terraform and Airflow reach private resources; peered with ours in both directions. Each environment needs its own: a network can link only one private DNS zone of a name."
  type        = object({ id = string, name = string, resource_group_name = string })
  default     = null
}

variable "address_space" {
  description = "Address space of our virtual network, a /20 that the hub does not use."
  type        = string
  default     = "10.179.0.0/20"

  validation {
    condition     = can(cidrhost(var.address_space, 0)) && endswith(var.address_space, "/20")
    error_message = "address_space is a /20, for example 10.179.0.0/20."
  }
}

variable "monthly_budget" {
  description = "Monthly budget of the environment, clusters included, in the currency of the subscription. Azure sends a mail at 80 % and when it forecasts 100 %."
  type        = number
  default     = 500
}
