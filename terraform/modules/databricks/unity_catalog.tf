locals {
  schemas = {
    raw        = "Deliveries as files."
    bronze     = "Records as received, a table for each feed."
    silver     = "Typed and valid records, the newest of each business key."
    gold       = "Views of the published tables, for readers."
    gold_build = "The tables behind gold, as the jobs build them."
    marts      = "Tables that dbt builds from gold, for analysts."
    quarantine = "Records that break their contract, with the reasons."
    ops        = "The run log of the jobs: runs, releases, audits, balances."
  }
}

resource "databricks_storage_credential" "this" {
  name           = replace(var.name, "-", "_")
  comment        = "Reads RAW, writes tables."
  isolation_mode = "ISOLATION_MODE_ISOLATED" # usable only from this workspace, like the securables below

  azure_managed_identity {
    access_connector_id = azurerm_databricks_access_connector.this.id
  }

  skip_validation = true # validation would run before the connector's roles take effect, which takes ten minutes
}

resource "databricks_external_location" "this" {
  for_each = {
    raw       = { url = var.raw_url, comment = "Deliveries, never changed." }
    processed = { url = var.processed_url, comment = "Tables of the catalog ${var.catalog}; never read as files." }
  }

  name               = "${var.catalog}_${each.key}"
  url                = "${each.value.url}/"
  credential_name    = databricks_storage_credential.this.name
  comment            = each.value.comment
  read_only          = each.key == "raw"
  enable_file_events = false # Databricks' default, true, needs roles for queues that the connector does not have
  skip_validation    = true
  isolation_mode     = "ISOLATION_MODE_ISOLATED"
}

resource "databricks_catalog" "this" {
  name           = var.catalog
  storage_root   = databricks_external_location.this["processed"].url
  comment        = "RetailFlow, ${var.environment}."
  isolation_mode = "ISOLATED"
  force_destroy  = false

  # The nightly maintenance optimizes and vacuums. Unlike Databricks' own, it keeps files that a late reader needs.
  enable_predictive_optimization = "DISABLE"

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

  # dbt rewrites the marts each night, and the nightly maintenance skips them. So Databricks vacuums them.
  enable_predictive_optimization = each.key == "marts" ? "ENABLE" : "INHERIT"
}

# One volume for each feed, not one for all: Databricks advises against a volume at the root of an external location.
resource "databricks_volume" "feed" {
  for_each = var.feeds

  catalog_name     = databricks_catalog.this.name
  schema_name      = databricks_schema.this["raw"].name
  name             = each.value
  volume_type      = "EXTERNAL"
  storage_location = "${databricks_external_location.this["raw"].url}${each.value}"
  comment          = "Deliveries of ${each.value}, to look at."
}

# A policy of the release hides each column that this tag does not open (docs/adr/0008). Without the tag, Databricks
# rejects every query of the schemas with this policy.
resource "databricks_tag_policy" "classification" {
  tag_key     = "${var.catalog}_classification"
  description = "Classification of a column of ${var.catalog}, from its contract; the jobs set it."
  values      = [for name in ["restricted", "confidential", "internal", "public"] : { name = name }]

  lifecycle {
    prevent_destroy = true
  }
}

# The right to set the tag is the right to make a column readable.
resource "databricks_access_control_rule_set" "classification" {
  name = "accounts/${var.account_id}/tagPolicies/${databricks_tag_policy.classification.id}/ruleSets/default"

  grant_rules {
    role       = "roles/tagPolicy.assigner"
    principals = ["servicePrincipals/${var.principals["jobs"]}", "groups/${var.principals["platform_admin"]}"]
  }
}

# Each holds all privileges on its securable: the next apply removes privileges that somebody granted by hand.
resource "databricks_grants" "this" {
  for_each = var.grants

  catalog           = each.key == "catalog" ? databricks_catalog.this.name : null
  schema            = startswith(each.key, "schema.") ? "${var.catalog}.${databricks_schema.this[trimprefix(each.key, "schema.")].name}" : null
  external_location = startswith(each.key, "external_location.") ? databricks_external_location.this[trimprefix(each.key, "external_location.")].name : null

  dynamic "grant" {
    for_each = each.value

    content {
      principal  = var.principals[grant.key]
      privileges = grant.value
    }
  }
}
