output "workspace_id" {
  description = "Azure's id of the workspace."
  value       = azurerm_databricks_workspace.this.id
}

output "workspace_number" {
  description = "Databricks' own id of the workspace."
  value       = azurerm_databricks_workspace.this.workspace_id
}

output "workspace_url" {
  description = "Address of the workspace; known once it can be reached."
  value       = "https://${azurerm_databricks_workspace.this.workspace_url}"

  depends_on = [var.private_endpoints]
}

output "connector_principal_id" {
  description = "Object id of the identity by which Unity Catalog reaches storage."
  value       = azurerm_databricks_access_connector.this.identity[0].principal_id
}

output "instance_pool_id" {
  description = "Id of the instance pool."
  value       = databricks_instance_pool.jobs.id
}

output "cluster_policy_id" {
  description = "Id of the cluster policy."
  value       = databricks_cluster_policy.jobs.id
}

output "sql_warehouse" {
  description = "Where readers of GOLD connect to."
  value       = { id = databricks_sql_endpoint.readers.id, jdbc_url = databricks_sql_endpoint.readers.jdbc_url }
}
