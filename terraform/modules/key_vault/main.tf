# Put secrets in by hand. None passes through Terraform, because everybody who deploys can read its state.
resource "azurerm_key_vault" "this" {
  #checkov:skip=CKV_AZURE_109: is_private decides. ./retailflow check reads the plans of stg and prod; dev is public.
  #checkov:skip=CKV_AZURE_189: The same.
  #checkov:skip=CKV2_AZURE_32: The endpoint is in modules/networking, which this check does not read.
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tenant_id           = var.tenant_id
  sku_name            = "standard"

  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = !var.is_private
  tags                          = var.tags

  network_acls {
    default_action = var.is_private ? "Deny" : "Allow"
    bypass         = var.is_secret_scope ? "AzureServices" : "None" # a scope reads from Databricks' control plane
  }
}

resource "azurerm_role_assignment" "reader" {
  count = var.reader_principal_id == null ? 0 : 1

  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = var.reader_principal_id
  principal_type       = "ServicePrincipal"
}
