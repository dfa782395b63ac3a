mock_provider "azurerm" {}

variables {
  name                        = "retailflow-test"
  subscription_id             = "00000000-0000-0000-0000-000000000001"
  resource_group_name         = "rg-retailflow-test"
  managed_resource_group_name = "rg-retailflow-test-databricks"
  location                    = "westeurope"
  alert_addresses             = ["on-call@retailflow.example"]
  monthly_budget              = 500
  storage_account_id          = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/x"
  workspace_id                = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/x"
  tags                        = { environment = "test" }
  key_vault_ids = {
    key_vault         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/x"
    airflow_key_vault = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/x-air"
  }
}

run "logs_alerts_and_budget" {
  command = plan

  module {
    source = "./modules/monitor"
  }

  assert {
    condition     = join(" ", keys(azurerm_monitor_diagnostic_setting.this)) == "airflow_key_vault key_vault storage workspace"
    error_message = "Workspace, storage and both Key Vaults are logged."
  }

  assert {
    condition     = azurerm_log_analytics_workspace.this.daily_quota_gb == null && azurerm_monitor_scheduled_query_rules_alert_v2.log_volume.criteria[0].threshold == 5000
    error_message = "The audit log has no daily cap, which could hide an attack; a large log sends a mail."
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
    error_message = "Azure rejects a longer short name."
  }

  assert {
    condition     = join(" ", keys(azurerm_monitor_activity_log_alert.raw_immutability)) == "delete write"
    error_message = "Changing or lifting the immutability of RAW triggers an alert."
  }

  assert {
    condition     = azurerm_consumption_budget_subscription.this.amount == 500 && endswith(azurerm_consumption_budget_subscription.this.time_period[0].start_date, "-01T00:00:00Z")
    error_message = "The budget begins with a month."
  }

  assert {
    condition     = [for dimension in azurerm_consumption_budget_subscription.this.filter[0].dimension : join(" ", sort(dimension.values)) if dimension.name == "ResourceGroupName"] == ["rg-retailflow-test rg-retailflow-test-databricks"]
    error_message = "The budget includes the resources that Databricks starts."
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
