output "log_analytics_workspace_id" {
  description = "Where the logs are."
  value       = azurerm_log_analytics_workspace.this.id
}

output "action_group_id" {
  description = "For alerts of your own."
  value       = azurerm_monitor_action_group.this.id
}
