# Groups and the jobs' service principal belong to the account, since Unity Catalog grants to no others. Members are the
# business of whoever keeps the directory. The provider of this module is that of the account.
resource "databricks_group" "role" {
  for_each = var.roles

  display_name = "retailflow_${var.environment}_${each.value}"
}

resource "databricks_service_principal" "jobs" {
  application_id = var.airflow_client_id
  display_name   = "${var.name}-jobs"
}

# Through the masks of restricted columns the jobs would read NULL, and write it.
resource "databricks_group_member" "jobs" {
  group_id  = databricks_group.role["restricted_reader"].id
  member_id = databricks_service_principal.jobs.id
}

resource "databricks_mws_permission_assignment" "role" {
  for_each = var.roles

  workspace_id = var.workspace_id
  principal_id = databricks_group.role[each.value].id
  permissions  = [each.value == "platform_admin" ? "ADMIN" : "USER"]
}

resource "databricks_mws_permission_assignment" "jobs" {
  workspace_id = var.workspace_id
  principal_id = databricks_service_principal.jobs.id
  permissions  = ["USER"]
}
