# Entitlements: the features of the workspace that a principal may use. Since September 2026 Databricks grants none by
# default. Workspace access includes notebooks, jobs and serverless compute. Readers get only SQL. Administrators have
# all entitlements anyway.
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
