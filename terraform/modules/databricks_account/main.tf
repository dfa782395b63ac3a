# Groups and service principals of the account: Unity Catalog grants to no others. People are put into the groups by hand
# or by a directory. The provider of this module is that of the account.
resource "databricks_group" "role" {
  for_each = var.roles

  display_name = "retailflow_${var.environment}_${each.value}"
}

# Airflow is this identity too. Whoever submits a run can do what the run can do: two identities would separate nothing.
resource "databricks_service_principal" "jobs" {
  application_id = var.airflow_client_id
  display_name   = "${var.name}-jobs"
}

# Installs releases. It needs no right to a table, because the jobs that it creates run as `jobs`.
resource "databricks_service_principal" "deployer" {
  application_id = var.deployer_client_id
  display_name   = "${var.name}-deployer"
}

# Through the masks of restricted columns the jobs would read NULL, and write it.
resource "databricks_group_member" "jobs" {
  group_id  = databricks_group.role["restricted_reader"].id
  member_id = databricks_service_principal.jobs.id
}

# Only the deployer creates jobs that run as `jobs`.
resource "databricks_access_control_rule_set" "jobs" {
  name = "accounts/${var.account_id}/servicePrincipals/${databricks_service_principal.jobs.application_id}/ruleSets/default"

  grant_rules {
    role       = "roles/servicePrincipal.user"
    principals = ["servicePrincipals/${databricks_service_principal.deployer.application_id}"]
  }
}

# The workflows of GitHub sign in as the deployer without a secret.
resource "databricks_service_principal_federation_policy" "github" {
  count = var.github_repository == null ? 0 : 1

  service_principal_id = databricks_service_principal.deployer.id

  oidc_policy = {
    issuer    = "https://token.actions.githubusercontent.com"
    audiences = [var.account_id]
    subject   = "repo:${var.github_repository}:environment:${var.environment}"
  }
}
