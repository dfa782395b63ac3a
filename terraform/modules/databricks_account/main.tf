# Groups and service principals of the account: Unity Catalog grants privileges only to these. Add people to the groups
# by hand or from a directory. This module uses the provider of the account.
resource "databricks_group" "role" {
  for_each = var.roles

  display_name = "retailflow_${var.environment}_${each.value}"
}

# Airflow uses this identity too. A principal that submits a run can do all that the run can do, so a second identity
# for Airflow would separate nothing.
resource "databricks_service_principal" "jobs" {
  application_id = var.airflow_client_id
  display_name   = "${var.name}-jobs"
}

# Installs releases. It needs no privilege on tables, because the jobs that it creates run as `jobs`.
resource "databricks_service_principal" "deployer" {
  application_id = var.deployer_client_id
  display_name   = "${var.name}-deployer"
}

# Outside this group the jobs would read NULL in restricted columns, because of the masks, and would write it.
resource "databricks_group_member" "jobs" {
  group_id  = databricks_group.role["restricted_reader"].id
  member_id = databricks_service_principal.jobs.id
}

# Only the deployer may create jobs that run as `jobs`.
resource "databricks_access_control_rule_set" "jobs" {
  name = "accounts/${var.account_id}/servicePrincipals/${databricks_service_principal.jobs.application_id}/ruleSets/default"

  grant_rules {
    role       = "roles/servicePrincipal.user"
    principals = ["servicePrincipals/${databricks_service_principal.deployer.application_id}"]
  }
}

# GitHub's workflows sign in as the deployer without a secret.
resource "databricks_service_principal_federation_policy" "github" {
  count = var.github_repository == null ? 0 : 1

  service_principal_id = databricks_service_principal.deployer.id

  oidc_policy = {
    issuer    = "https://token.actions.githubusercontent.com"
    audiences = [var.account_id]
    subject   = "repo:${var.github_repository}:environment:${var.environment}"
  }
}
