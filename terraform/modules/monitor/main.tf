# Logs and alerts of the platform. Airflow and the jobs report whether the tables are fresh and valid.
resource "azurerm_log_analytics_workspace" "this" {
  name                = "log-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  retention_in_days   = var.retention_days
  tags                = var.tags
}

locals {
  logged = merge(
    {
      workspace = { target = var.workspace_id, groups = ["allLogs"], categories = [] }
      storage = {
        target     = "${var.storage_account_id}/blobServices/default"
        groups     = []
        categories = ["StorageWrite", "StorageDelete"] # reads would fill most of the log
      }
    },
    { for name, id in var.key_vault_ids : name => { target = id, groups = ["audit"], categories = [] } },
  )
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
  resource_group_name = var.resource_group_name
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
  resource_group_name = var.resource_group_name
  location            = "global"
  scopes              = [var.storage_account_id]
  description         = "Somebody changed or lifted the immutability of RAW. This is expected only during an erasure."
  tags                = var.tags

  criteria {
    category       = "Administrative"
    operation_name = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/${each.value}"
  }

  action {
    action_group_id = azurerm_monitor_action_group.this.id
  }
}

# A daily cap would drop the audit log for the rest of the day and could hide an attack. This alert replaces a cap.
resource "azurerm_monitor_scheduled_query_rules_alert_v2" "log_volume" {
  name                 = "alert-${var.name}-log-volume"
  resource_group_name  = var.resource_group_name
  location             = var.location
  scopes               = [azurerm_log_analytics_workspace.this.id]
  description          = "More than ${var.daily_log_gigabytes} GB of logs within a day: a loop that logs, or an attack."
  severity             = 2
  evaluation_frequency = "PT1H"
  window_duration      = "P1D"

  skip_query_validation = true # the table exists only after the first logs
  tags                  = var.tags

  criteria {
    query                   = "Usage | where IsBillable"
    metric_measure_column   = "Quantity" # megabytes
    time_aggregation_method = "Total"
    operator                = "GreaterThan"
    threshold               = 1000 * var.daily_log_gigabytes
  }

  action {
    action_groups = [azurerm_monitor_action_group.this.id]
  }
}

# Azure bills DBU on the workspace, and the machines and disks of its clusters in the group that Databricks manages.
resource "azurerm_consumption_budget_subscription" "this" {
  name            = "budget-${var.name}"
  subscription_id = "/subscriptions/${var.subscription_id}"
  amount          = var.monthly_budget
  time_grain      = "Monthly"

  filter {
    dimension {
      name   = "ResourceGroupName"
      values = [var.resource_group_name, var.managed_resource_group_name]
    }
  }

  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00Z", plantimestamp()) # Azure rejects an earlier month
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
