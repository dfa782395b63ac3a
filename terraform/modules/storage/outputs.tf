output "account_id" {
  description = "Id of the storage account."
  value       = azurerm_storage_account.this.id
}

# The two below are known once the access connector may reach the containers.
output "raw_url" {
  description = "The RAW container, as Spark names it."
  value       = "abfss://${azurerm_storage_container.raw.name}@${azurerm_storage_account.this.name}.dfs.core.windows.net"

  depends_on = [azurerm_role_assignment.connector]
}

output "processed_url" {
  description = "Where Unity Catalog keeps its tables."
  value       = "abfss://${azurerm_storage_container.processed.name}@${azurerm_storage_account.this.name}.dfs.core.windows.net"

  depends_on = [azurerm_role_assignment.connector]
}
