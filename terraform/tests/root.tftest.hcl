# These tests plan the whole platform in each environment with mocked providers. They do not test the answers of Azure
# and Databricks. `./retailflow check` also reads these plans: delivery/retailflow_delivery/checks/plans.py.
mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = {
      tenant_id       = "00000000-0000-0000-0000-000000000002"
      subscription_id = "00000000-0000-0000-0000-000000000001"
    }
  }
}

# With an id for the pool, the text of the cluster policy is known before apply.
mock_provider "databricks" {
  override_during = plan

  mock_resource "databricks_instance_pool" {
    defaults = {
      id = "pool-1"
    }
  }
}

mock_provider "databricks" {
  alias = "account"
}

variables {
  databricks_account_id         = "00000000-0000-0000-0000-000000000003"
  airflow_principal             = { client_id = "00000000-0000-0000-0000-000000000004", object_id = "00000000-0000-0000-0000-000000000005" }
  ingestion_principal_object_id = "00000000-0000-0000-0000-000000000006"
  eraser_principal              = "00000000-0000-0000-0000-00000000000b"
  deployer_client_id            = "00000000-0000-0000-0000-000000000009"
  github_repository             = "example/retailflow"
  metastore_id                  = "00000000-0000-0000-0000-00000000000a"
  azure_databricks_object_id    = "00000000-0000-0000-0000-000000000007"
}

run "dev" {
  command = plan

  variables {
    environment = "dev"
  }

  assert {
    condition     = azurerm_resource_group.this.name == "rg-retailflow-dev" && output.key_vault_name == "kv-retailflow-dev"
    error_message = "Names end with the environment."
  }

  assert {
    condition     = length(module.networking.private_endpoint_ids) == 0
    error_message = "dev has no private endpoints by default."
  }

  assert {
    condition     = output.airflow_client_id == "00000000-0000-0000-0000-000000000004"
    error_message = "The jobs run as the service principal of Airflow."
  }

  assert {
    condition     = output.deployer_client_id == "00000000-0000-0000-0000-000000000009"
    error_message = "The deployer is another principal."
  }
}

run "dev_without_principals" {
  command = plan

  variables {
    environment                   = "dev"
    airflow_principal             = null
    ingestion_principal_object_id = null
    eraser_principal              = null
    deployer_client_id            = null
    github_repository             = null
    metastore_id                  = null
  }
}

run "stg" {
  command = plan

  variables {
    environment = "stg"
  }

  assert {
    condition     = module.storage.raw_url == "abfss://raw@retailflowstg.dfs.core.windows.net"
    error_message = "The storage account is that of the environment file."
  }

  assert {
    condition     = length(module.networking.private_endpoint_ids) == 6
    error_message = "stg is private, like prod."
  }
}

run "prod" {
  command = plan

  variables {
    environment = "prod"
    hub_network = {
      id                  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
      name                = "vnet-hub"
      resource_group_name = "rg-hub"
    }
  }

  assert {
    condition     = azurerm_resource_group.this.tags["environment"] == "prod" && azurerm_resource_group.this.tags["cost_center"] == "retail-analytics"
    error_message = "Tags are those of the environment file."
  }

  assert {
    condition     = join(" ", sort(keys(module.networking.private_endpoint_ids))) == "airflow_key_vault key_vault storage_blob storage_dfs workspace workspace_login"
    error_message = "Storage, Key Vaults and workspace have private endpoints in prod."
  }
}

run "prod_is_never_public" {
  command = plan

  variables {
    environment       = "prod"
    private_endpoints = false
  }

  expect_failures = [var.private_endpoints]
}

run "a_laptop_needs_no_terraform" {
  command = plan

  variables {
    environment = "local"
  }

  expect_failures = [var.environment]
}

run "a_vault_that_no_job_could_read" {
  command = plan

  variables {
    environment                = "dev"
    azure_databricks_object_id = ""
  }

  expect_failures = [var.azure_databricks_object_id]
}

run "a_repository_that_github_does_not_have" {
  command = plan

  variables {
    environment       = "dev"
    github_repository = "retailflow"
  }

  expect_failures = [var.github_repository]
}
