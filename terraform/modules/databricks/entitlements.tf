# What somebody may do in the workspace at all. Databricks grants nothing of this by itself since September 2026. Workspace
# access brings notebooks, jobs and serverless compute; readers get SQL alone. Administrators have everything anyway.
locals {
  engineers = ["bronze_reader", "silver_reader"]
}

resource "databricks_entitlements" "group" {
  for_each = { for role, id in var.group_ids : role => id if role != "platform_admin" }

  group_id              = each.value
  databricks_sql_access = true
  workspace_access      = contains(local.engineers, each.key)
}

resource "databricks_entitlements" "service_principal" {
  for_each = var.service_principal_ids

  service_principal_id  = each.value
  databricks_sql_access = true
  workspace_access      = true
}
