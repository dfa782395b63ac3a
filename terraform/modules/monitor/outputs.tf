output "log_analytics_workspace_id" {
  description = "Id of the Log Analytics workspace with the logs."
  value       = azurerm_log_analytics_workspace.this.id
}

output "action_group_id" {
  description = "Id of the action group, for alerts of your own."
  value       = azurerm_monitor_action_group.this.id
}
