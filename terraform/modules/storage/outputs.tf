output "account_id" {
  description = "Id of the storage account."
  value       = azurerm_storage_account.this.id
}

# The two outputs below are known as soon as the access connector has access to the containers.
output "raw_url" {
  description = "Address of the RAW container for Spark."
  value       = "abfss://${azurerm_storage_container.raw.name}@${azurerm_storage_account.this.name}.dfs.core.windows.net"

  depends_on = [azurerm_role_assignment.connector]
}

output "processed_url" {
  description = "Address of the container where Unity Catalog stores its tables."
  value       = "abfss://${azurerm_storage_container.processed.name}@${azurerm_storage_account.this.name}.dfs.core.windows.net"

  depends_on = [azurerm_role_assignment.connector]
}
