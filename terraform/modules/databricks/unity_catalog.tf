locals {
  schemas = {
    raw        = "Deliveries as files."
    bronze     = "Records as received, a table for each feed."
    silver     = "Typed and valid records, the newest of each business key."
    gold       = "What readers see: views of the published tables."
    gold_build = "The tables behind gold, as the jobs build them."
    marts      = "What dbt builds from gold, for analysts."
    quarantine = "Records that break their contract, with the reasons."
    ops        = "What the jobs know of their own work: runs, releases, audits, balances."
  }
}

resource "databricks_storage_credential" "this" {
  name           = replace(var.name, "-", "_")
  comment        = "Reads RAW, writes tables."
  isolation_mode = "ISOLATION_MODE_ISOLATED" # used from this workspace only, and so are the others below

  azure_managed_identity {
    access_connector_id = azurerm_databricks_access_connector.this.id
  }

  # The trial access comes from Databricks' own network, to which private storage is closed.
  skip_validation = var.is_private
}

resource "databricks_external_location" "raw" {
  name            = "${var.catalog}_raw"
  url             = "${var.raw_url}/"
  credential_name = databricks_storage_credential.this.name
  comment         = "Deliveries, never changed."
  read_only       = true
  skip_validation = var.is_private
  isolation_mode  = "ISOLATION_MODE_ISOLATED"
}

resource "databricks_external_location" "processed" {
  name            = "${var.catalog}_processed"
  url             = "${var.processed_url}/"
  credential_name = databricks_storage_credential.this.name
  comment         = "Tables of the catalog ${var.catalog}; nobody reads them as files."
  skip_validation = var.is_private
  isolation_mode  = "ISOLATION_MODE_ISOLATED"
}

resource "databricks_catalog" "this" {
  name           = var.catalog
  storage_root   = databricks_external_location.processed.url
  comment        = "RetailFlow, ${var.environment}."
  isolation_mode = "ISOLATED"
  force_destroy  = false

  lifecycle {
    prevent_destroy = true
  }
}

resource "databricks_schema" "this" {
  for_each = local.schemas

  catalog_name  = databricks_catalog.this.name
  name          = each.key
  comment       = each.value
  force_destroy = false
}

# One for each feed and none for all: Databricks advises against a volume at the root of an external location.
resource "databricks_volume" "feed" {
  for_each = var.feeds

  catalog_name     = databricks_catalog.this.name
  schema_name      = databricks_schema.this["raw"].name
  name             = each.value
  volume_type      = "EXTERNAL"
  storage_location = "${databricks_external_location.raw.url}${each.value}"
  comment          = "Deliveries of ${each.value}, to be looked at."
}

# Each holds all privileges on its securable: what is granted by hand is gone after the next apply.
resource "databricks_grants" "this" {
  for_each = var.grants

  catalog           = each.key == "catalog" ? var.catalog : null
  schema            = startswith(each.key, "schema.") ? "${var.catalog}.${trimprefix(each.key, "schema.")}" : null
  external_location = startswith(each.key, "external_location.") ? "${var.catalog}_${trimprefix(each.key, "external_location.")}" : null

  dynamic "grant" {
    for_each = each.value

    content {
      principal  = var.principals[grant.key]
      privileges = grant.value
    }
  }

  depends_on = [databricks_schema.this]
}
