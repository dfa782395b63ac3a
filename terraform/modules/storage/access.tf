# Writers of RAW only create and read blobs. The built-in role Storage Blob Data Contributor could also delete them.
resource "azurerm_role_definition" "raw_writer" {
  name        = var.raw_writer_role.name
  scope       = var.raw_writer_role.scope
  description = "Creates and reads blobs; deletes none."

  permissions {
    actions = ["Microsoft.Storage/storageAccounts/blobServices/containers/read"]
    data_actions = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
    ]
  }

  assignable_scopes = [var.raw_writer_role.scope]
}

# Only for the erasure of a person's data. The immutability of the container applies to this role too.
resource "azurerm_role_definition" "raw_eraser" {
  name        = var.raw_eraser_role.name
  scope       = var.raw_eraser_role.scope
  description = "Creates, reads and deletes blobs."

  permissions {
    actions = ["Microsoft.Storage/storageAccounts/blobServices/containers/read"]
    data_actions = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
    ]
  }

  assignable_scopes = [var.raw_eraser_role.scope]
}

locals {
  connector_roles = {
    raw       = { role = "Storage Blob Data Reader", scope = azurerm_storage_container.raw.id }
    processed = { role = "Storage Blob Data Contributor", scope = azurerm_storage_container.processed.id }
    account   = { role = "Storage Blob Delegator", scope = azurerm_storage_account.this.id }
  }
}

# With these roles no job can change RAW, whatever Unity Catalog grants.
resource "azurerm_role_assignment" "connector" {
  for_each = local.connector_roles

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = var.connector_principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "airflow" {
  count = var.airflow_principal_id == null ? 0 : 1

  scope                = azurerm_storage_container.raw.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = var.airflow_principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "ingestion" {
  count = var.ingestion_principal_id == null ? 0 : 1

  scope              = azurerm_storage_container.raw.id
  role_definition_id = azurerm_role_definition.raw_writer.role_definition_resource_id
  principal_id       = var.ingestion_principal_id
  principal_type     = "ServicePrincipal"
}

resource "azurerm_role_assignment" "eraser" {
  count = var.eraser_principal_id == null ? 0 : 1

  scope              = azurerm_storage_container.raw.id
  role_definition_id = azurerm_role_definition.raw_eraser.role_definition_resource_id
  principal_id       = var.eraser_principal_id
  principal_type     = "ServicePrincipal"
}
