resource "azurerm_databricks_workspace" "this" {
  #checkov:skip=CKV2_AZURE_48: The workspace's own storage has no data; Microsoft's keys encrypt it twice.
  name                        = "dbw-${var.name}"
  resource_group_name         = var.resource_group_name
  managed_resource_group_name = "rg-${var.name}-databricks"
  location                    = var.location
  sku                         = "premium" # Unity Catalog, private endpoints and access control need it

  public_network_access_enabled         = !var.is_private
  network_security_group_rules_required = var.is_private ? "NoAzureDatabricksRules" : "AllRules"
  infrastructure_encryption_enabled     = true
  tags                                  = var.tags

  custom_parameters {
    no_public_ip                                         = true
    virtual_network_id                                   = var.network.id
    public_subnet_name                                   = var.network.public_subnet
    private_subnet_name                                  = var.network.private_subnet
    public_subnet_network_security_group_association_id  = var.network.public_association_id
    private_subnet_network_security_group_association_id = var.network.private_association_id
  }

  lifecycle {
    prevent_destroy = true
  }
}

# The identity that Unity Catalog uses for storage.
resource "azurerm_databricks_access_connector" "this" {
  name                = "dbac-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  identity {
    type = "SystemAssigned"
  }
}
