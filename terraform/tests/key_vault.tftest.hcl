mock_provider "azurerm" {}

variables {
  name                = "kv-retailflow-test"
  resource_group_name = "rg-retailflow-test"
  location            = "westeurope"
  tenant_id           = "00000000-0000-0000-0000-000000000002"
  is_private          = true
  is_secret_scope     = true
  reader_principal_id = "00000000-0000-0000-0000-000000000007"
  tags                = { environment = "test" }
}

run "private" {
  command = plan

  module {
    source = "./modules/key_vault"
  }

  assert {
    condition     = azurerm_key_vault.this.rbac_authorization_enabled && azurerm_key_vault.this.purge_protection_enabled && azurerm_key_vault.this.soft_delete_retention_days == 90
    error_message = "Access is by role. Deleted secrets can be restored for 90 days, and nobody can purge them."
  }

  assert {
    condition     = !azurerm_key_vault.this.public_network_access_enabled && azurerm_key_vault.this.network_acls[0].default_action == "Deny" && azurerm_key_vault.this.network_acls[0].bypass == "AzureServices"
    error_message = "A private vault answers only its endpoint and Databricks' secret scope."
  }

  assert {
    condition     = azurerm_role_assignment.reader[0].role_definition_name == "Key Vault Secrets User" && azurerm_role_assignment.reader[0].principal_id == "00000000-0000-0000-0000-000000000007"
    error_message = "Databricks reads secrets, but changes none."
  }
}

run "airflow" {
  command = plan

  module {
    source = "./modules/key_vault"
  }

  variables {
    is_secret_scope = false
  }

  assert {
    condition     = azurerm_key_vault.this.network_acls[0].bypass == "None"
    error_message = "No Azure service must pass the firewall of Airflow's vault."
  }
}

run "a_name_that_azure_would_refuse" {
  command = plan

  module {
    source = "./modules/key_vault"
  }

  variables {
    name = "kv-a-name-that-is-much-too-long"
  }

  expect_failures = [var.name]
}
