# Access to the workspace. modules/databricks has the rights inside it.
resource "databricks_metastore_assignment" "this" {
  count = var.metastore_id == null ? 0 : 1

  metastore_id = var.metastore_id
  workspace_id = var.workspace_id
}

# Databricks processes a new workspace and its assignments asynchronously and does not report when it has finished. Until
# then calls fail with "no metastore assigned" or "Principal not in workspace".
resource "terraform_data" "has_metastore" {
  triggers_replace = [var.workspace_id]

  provisioner "local-exec" {
    command = "sleep 120"
  }

  depends_on = [databricks_metastore_assignment.this]
}

resource "databricks_mws_permission_assignment" "role" {
  for_each = var.roles

  workspace_id = var.workspace_id
  principal_id = databricks_group.role[each.value].id
  permissions  = [each.value == "platform_admin" ? "ADMIN" : "USER"]

  depends_on = [terraform_data.has_metastore]
}

resource "databricks_mws_permission_assignment" "service_principal" {
  for_each = {
    jobs     = databricks_service_principal.jobs.id
    deployer = databricks_service_principal.deployer.id
  }

  workspace_id = var.workspace_id
  principal_id = each.value
  permissions  = ["USER"]

  depends_on = [terraform_data.has_metastore]
}

resource "terraform_data" "has_principals" {
  triggers_replace = [
    for given in merge(databricks_mws_permission_assignment.role, databricks_mws_permission_assignment.service_principal) : given.id
  ]

  provisioner "local-exec" {
    command = "sleep 60"
  }
}
