# Serverless compute runs in Databricks' own network. If storage is private, it connects through its own private
# endpoints. The owner of the storage account approves them once (docs/DEPLOYMENT.md).
resource "databricks_mws_network_connectivity_config" "this" {
  count = var.is_private ? 1 : 0

  name   = "ncc-${var.name}"
  region = var.location
}

resource "databricks_mws_ncc_private_endpoint_rule" "storage" {
  for_each = var.is_private ? toset(["dfs", "blob"]) : toset([])

  network_connectivity_config_id = databricks_mws_network_connectivity_config.this[0].network_connectivity_config_id
  resource_id                    = var.storage_account_id
  group_id                       = each.value
}

resource "databricks_mws_ncc_binding" "this" {
  count = var.is_private ? 1 : 0

  network_connectivity_config_id = databricks_mws_network_connectivity_config.this[0].network_connectivity_config_id
  workspace_id                   = var.workspace_id
}
