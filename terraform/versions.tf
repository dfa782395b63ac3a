terraform {
  required_version = ">= 1.11"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
    databricks = {
      source  = "databricks/databricks"
      version = "~> 1.138"
    }
  }

  # `terraform init -backend-config=…` sets the rest: docs/DEPLOYMENT.md.
  backend "azurerm" {
    use_azuread_auth = true
  }
}

# ARM_SUBSCRIPTION_ID sets the subscription.
provider "azurerm" {
  storage_use_azuread = true

  features {
    key_vault {
      purge_soft_delete_on_destroy = false
    }
    resource_group {
      prevent_deletion_if_contains_resources = true
    }
    storage {
      data_plane_available = false # a private account answers only after its endpoint exists
    }
  }
}

provider "databricks" {
  host                        = module.databricks.workspace_url
  azure_workspace_resource_id = module.databricks.workspace_id
}

# Groups, service principals and the network of serverless compute belong to the account, not to a workspace.
provider "databricks" {
  alias      = "account"
  host       = "https://accounts.azuredatabricks.net"
  account_id = var.databricks_account_id
}
