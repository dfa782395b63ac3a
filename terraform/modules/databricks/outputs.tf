output "workspace_id" {
  description = "Azure's id of the workspace."
  value       = azurerm_databricks_workspace.this.id
}

output "workspace_number" {
  description = "Databricks' own id of the workspace."
  value       = azurerm_databricks_workspace.this.workspace_id
}

output "workspace_url" {
  description = "Address of the workspace; known once it can be reached and has a metastore."
  value       = "https://${azurerm_databricks_workspace.this.workspace_url}"

  depends_on = [var.private_endpoints, var.metastore]
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

output "sql_warehouses" {
  description = "Where programs and readers connect to."
  value       = { for name, warehouse in databricks_sql_endpoint.this : name => { id = warehouse.id, jdbc_url = warehouse.jdbc_url } }
}

output "managed_resource_group_name" {
  description = "Resource group in which Databricks starts clusters."
  value       = azurerm_databricks_workspace.this.managed_resource_group_name
}
