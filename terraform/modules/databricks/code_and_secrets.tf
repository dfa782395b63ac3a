# The deployer writes releases here; the jobs can read them but not change them.
resource "databricks_directory" "code" {
  path = var.code_directory
}

resource "databricks_permissions" "code" {
  directory_path = databricks_directory.code.path

  access_control {
    service_principal_name = var.principals["jobs"]
    permission_level       = "CAN_READ"
  }

  access_control {
    service_principal_name = var.principals["deployer"]
    permission_level       = "CAN_MANAGE"
  }

  access_control {
    group_name       = var.principals["platform_admin"]
    permission_level = "CAN_MANAGE"
  }
}

resource "databricks_secret_scope" "this" {
  name = var.secret_scope

  keyvault_metadata {
    resource_id = var.key_vault.id
    dns_name    = var.key_vault.uri
  }
}

resource "databricks_secret_acl" "jobs" {
  scope      = databricks_secret_scope.this.name
  principal  = var.principals["jobs"]
  permission = "READ"
}
