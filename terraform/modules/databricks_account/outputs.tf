output "principals" {
  description = "The names for permissions: per role its group, per service principal its client id. Known as soon as the workspace knows them."
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
  description = "Databricks' id of each group; known as soon as the workspace knows the group."
  value       = { for role in var.roles : role => databricks_group.role[role].id }

  depends_on = [terraform_data.has_principals]
}

output "service_principal_ids" {
  description = "Databricks' id of each service principal; known as soon as the workspace knows it."
  value       = { jobs = databricks_service_principal.jobs.id, deployer = databricks_service_principal.deployer.id }

  depends_on = [terraform_data.has_principals]
}

output "metastore" {
  description = "Known as soon as the workspace has a metastore."
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
