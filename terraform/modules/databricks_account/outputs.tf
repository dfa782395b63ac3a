output "principals" {
  description = "What permissions name: per role its group, per service principal its client id; known once the workspace knows them."
  value = merge(
    { for role in var.roles : role => databricks_group.role[role].display_name },
    {
      jobs     = databricks_service_principal.jobs.application_id
      deployer = databricks_service_principal.deployer.application_id
    },
  )

  depends_on = [terraform_data.has_principals]
}

output "group_ids" {
  description = "Databricks' own id of each group; known once the workspace knows it."
  value       = { for role in var.roles : role => databricks_group.role[role].id }

  depends_on = [terraform_data.has_principals]
}

output "service_principal_ids" {
  description = "Databricks' own id of each service principal; known once the workspace knows it."
  value       = { jobs = databricks_service_principal.jobs.id, deployer = databricks_service_principal.deployer.id }

  depends_on = [terraform_data.has_principals]
}

output "metastore" {
  description = "Known once the workspace has a metastore."
  value       = terraform_data.has_metastore.id
}

output "budget_policy_id" {
  description = "Id of the budget policy of serverless jobs."
  value       = databricks_budget_policy.jobs.policy_id
}

output "serverless_endpoints" {
  description = "Private endpoints of serverless compute, by kind."
  value       = { for kind, rule in databricks_mws_ncc_private_endpoint_rule.storage : kind => rule.endpoint_name }
}
