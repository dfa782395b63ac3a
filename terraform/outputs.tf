output "workspace_url" {
  description = "Host of Airflow's connection databricks_default."
  value       = module.databricks.workspace_url
}

output "airflow_client_id" {
  description = "Client id of the service principal that Airflow submits as."
  value       = module.databricks_account.jobs_client_id
}

output "instance_pool_id" {
  description = "For `compute: {profile: pool, instance_pool_id: …}` of the environment file."
  value       = module.databricks.instance_pool_id
}

output "cluster_policy_id" {
  description = "For `policy_id` beside it."
  value       = module.databricks.cluster_policy_id
}

output "sql_warehouse" {
  description = "What Power BI and other readers of GOLD connect to; the id is `warehouse_id` of the environment file."
  value       = module.databricks.sql_warehouse
}

output "key_vault_name" {
  description = "Where the secrets of the sources and of the ingestion principal are put, by hand."
  value       = local.key_vault_name
}

output "serverless_endpoints_to_approve" {
  description = "Private endpoints of serverless compute that the owner of the storage account still has to approve."
  value       = module.databricks_account.serverless_endpoints
}
