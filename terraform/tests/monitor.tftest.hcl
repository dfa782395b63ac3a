mock_provider "azurerm" {}

variables {
  name               = "retailflow-test"
  resource_group     = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-retailflow-test", name = "rg-retailflow-test" }
  location           = "westeurope"
  alert_addresses    = ["on-call@retailflow.example"]
  monthly_budget     = 500
  storage_account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/x"
  key_vault_id       = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/x"
  workspace_id       = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/x"
  tags               = { environment = "test" }
}

run "logs_alerts_and_budget" {
  command = plan

  module {
    source = "./modules/monitor"
  }

  assert {
    condition     = join(" ", keys(azurerm_monitor_diagnostic_setting.this)) == "key_vault storage workspace"
    error_message = "Workspace, storage and Key Vault are logged."
  }

  assert {
    condition     = join(" ", [for log in azurerm_monitor_diagnostic_setting.this["storage"].enabled_log : log.category]) == "StorageDelete StorageWrite"
    error_message = "Each write and deletion in storage is logged."
  }

  assert {
    condition     = azurerm_monitor_action_group.this.email_receiver[0].email_address == "on-call@retailflow.example"
    error_message = "Alerts go to the addresses of the environment file."
  }

  assert {
    condition     = length(azurerm_monitor_action_group.this.short_name) <= 12
    error_message = "Azure refuses a longer short name."
  }

  assert {
    condition     = join(" ", keys(azurerm_monitor_activity_log_alert.raw_immutability)) == "delete write"
    error_message = "Who changes or lifts the immutability of RAW is seen."
  }

  assert {
    condition     = azurerm_consumption_budget_resource_group.this.amount == 500 && endswith(azurerm_consumption_budget_resource_group.this.time_period[0].start_date, "-01T00:00:00Z")
    error_message = "The budget begins with a month."
  }
}

run "an_alert_that_nobody_gets" {
  command = plan

  module {
    source = "./modules/monitor"
  }

  variables {
    alert_addresses = []
  }

  expect_failures = [var.alert_addresses]
}
