output "workspace_url" {
  description = "Host of Airflow's connection databricks_default."
  value       = module.databricks.workspace_url
}

output "airflow_client_id" {
  description = "Client id of the service principal that Airflow submits jobs as, and that the jobs run as."
  value       = module.databricks_account.principals["jobs"]
}

output "deployer_client_id" {
  description = "DATABRICKS_CLIENT_ID of the GitHub environment."
  value       = module.databricks_account.principals["deployer"]
}

output "budget_policy_id" {
  description = "For `compute: {profile: serverless, budget_policy_id: …}` of the environment file."
  value       = module.databricks_account.budget_policy_id
}

output "instance_pool_id" {
  description = "For `compute: {profile: pool, instance_pool_id: …}` of the environment file."
  value       = module.databricks.instance_pool_id
}

output "cluster_policy_id" {
  description = "For `policy_id` in the same `compute`."
  value       = module.databricks.cluster_policy_id
}

output "warehouse_id" {
  description = "The SQL warehouse of programs: `warehouse_id` of the environment file."
  value       = module.databricks.sql_warehouses["programs"].id
}

output "sql_warehouse" {
  description = "The SQL warehouse that Power BI and other readers of GOLD connect to."
  value       = module.databricks.sql_warehouses["readers"]
}

output "key_vault_name" {
  description = "The Key Vault for the secrets of the sources and of the ingestion principal. Put them in by hand."
  value       = local.key_vault_name
}

output "airflow_key_vault" {
  description = "The Key Vault from which Airflow's secrets backend reads connections. Put them in by hand."
  value       = module.airflow_key_vault.vault.uri
}

output "serverless_endpoints_to_approve" {
  description = "Private endpoints of serverless compute that the owner of the storage account still has to approve."
  value       = module.databricks_account.serverless_endpoints
}
