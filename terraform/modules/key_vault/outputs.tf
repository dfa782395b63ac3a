output "id" {
  description = "Id of the vault."
  value       = azurerm_key_vault.this.id
}

output "vault" {
  description = "Id and address of the vault; known as soon as its reader has access."
  value       = { id = azurerm_key_vault.this.id, uri = azurerm_key_vault.this.vault_uri }

  depends_on = [azurerm_role_assignment.reader]
}
