output "workspace_id" {
  description = "Resource id of the workspace in Azure."
  value       = azurerm_databricks_workspace.this.id
}

output "workspace_number" {
  description = "Id of the workspace in Databricks, a number."
  value       = azurerm_databricks_workspace.this.workspace_id
}

output "workspace_url" {
  description = "Address of the workspace; known as soon as the workspace is reachable and has a metastore."
  value       = "https://${azurerm_databricks_workspace.this.workspace_url}"

  depends_on = [var.private_endpoints, var.metastore]
}

output "connector_principal_id" {
  description = "Object id of the identity that Unity Catalog uses for storage."
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
  description = "Id and JDBC address of the SQL warehouses of programs and readers."
  value       = { for name, warehouse in databricks_sql_endpoint.this : name => { id = warehouse.id, jdbc_url = warehouse.jdbc_url } }
}

output "managed_resource_group_name" {
  description = "Resource group in which Databricks starts clusters."
  value       = azurerm_databricks_workspace.this.managed_resource_group_name
}
