output "principals" {
  description = "What grants name: per role its group, for `jobs` the client id; known once they may use the workspace."
  value = merge(
    { for role in var.roles : role => databricks_group.role[role].display_name },
    { jobs = databricks_service_principal.jobs.application_id },
  )

  depends_on = [databricks_mws_permission_assignment.role, databricks_mws_permission_assignment.jobs]
}

output "jobs_client_id" {
  description = "Client id of the service principal that Airflow submits as."
  value       = databricks_service_principal.jobs.application_id
}

output "serverless_endpoints" {
  description = "Private endpoints of serverless compute, by kind."
  value       = { for kind, rule in databricks_mws_ncc_private_endpoint_rule.storage : kind => rule.endpoint_name }
}
