output "id" {
  description = "Id of the vault."
  value       = azurerm_key_vault.this.id
}

output "scope" {
  description = "What a secret scope is made from; known once Databricks may read the vault."
  value       = { id = azurerm_key_vault.this.id, uri = azurerm_key_vault.this.vault_uri }

  depends_on = [azurerm_role_assignment.databricks]
}
