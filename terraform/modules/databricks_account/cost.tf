# Serverless compute only has the tags of its budget policy.
resource "databricks_budget_policy" "jobs" {
  policy_name           = var.name
  custom_tags           = [for key, value in var.tags : { key = key, value = value }]
  binding_workspace_ids = [var.workspace_id]
}

resource "databricks_access_control_rule_set" "budget_policy" {
  name = "accounts/${var.account_id}/budgetPolicies/${databricks_budget_policy.jobs.policy_id}/ruleSets/default"

  grant_rules {
    role = "roles/budgetPolicy.user"
    principals = [
      for principal in [databricks_service_principal.jobs, databricks_service_principal.deployer] : "servicePrincipals/${principal.application_id}"
    ]
  }
}
