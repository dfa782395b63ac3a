# What happened on the platform, and who is told. How fresh and how right the tables are, Airflow and the jobs tell.
resource "azurerm_log_analytics_workspace" "this" {
  name                = "log-${var.name}"
  resource_group_name = var.resource_group.name
  location            = var.location
  retention_in_days   = var.retention_days
  daily_quota_gb      = 5 # a loop that logs must not cost a month's budget in a night
  tags                = var.tags
}

locals {
  logged = {
    workspace = { target = var.workspace_id, groups = ["allLogs"], categories = [] }
    key_vault = { target = var.key_vault_id, groups = ["audit"], categories = [] }
    storage = {
      target     = "${var.storage_account_id}/blobServices/default"
      groups     = []
      categories = ["StorageWrite", "StorageDelete"] # reads would be most of the log
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  for_each = local.logged

  name                       = "to-log-analytics"
  target_resource_id         = each.value.target
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id

  dynamic "enabled_log" {
    for_each = each.value.groups

    content {
      category_group = enabled_log.value
    }
  }

  dynamic "enabled_log" {
    for_each = each.value.categories

    content {
      category = enabled_log.value
    }
  }
}

resource "azurerm_monitor_action_group" "this" {
  name                = "ag-${var.name}"
  resource_group_name = var.resource_group.name
  short_name          = substr(replace(var.name, "retailflow", "rf"), 0, 12)
  tags                = var.tags

  dynamic "email_receiver" {
    for_each = toset(var.alert_addresses)

    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

resource "azurerm_monitor_activity_log_alert" "raw_immutability" {
  for_each = toset(["write", "delete"])

  name                = "alert-${var.name}-raw-immutability-${each.value}"
  resource_group_name = var.resource_group.name
  location            = "global"
  scopes              = [var.storage_account_id]
  description         = "Somebody changed or lifted the immutability of RAW: expected during an erasure, and at no other time."
  tags                = var.tags

  criteria {
    category       = "Administrative"
    operation_name = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/${each.value}"
  }

  action {
    action_group_id = azurerm_monitor_action_group.this.id
  }
}

resource "azurerm_consumption_budget_resource_group" "this" {
  name              = "budget-${var.name}"
  resource_group_id = var.resource_group.id
  amount            = var.monthly_budget
  time_grain        = "Monthly"

  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00Z", plantimestamp()) # Azure refuses one of an earlier month
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 80
    threshold_type = "Actual"
    contact_groups = [azurerm_monitor_action_group.this.id]
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_groups = [azurerm_monitor_action_group.this.id]
  }

  lifecycle {
    ignore_changes = [time_period]
  }
}
