locals {
  # The same files that the jobs and Airflow read, so that all use the same names.
  settings = yamldecode(file("${path.root}/../include/retailflow/environments/${var.environment}.yaml"))
  # The feeds and the grants, from the contracts. ./retailflow grants writes this file.
  contracts = jsondecode(file("${path.root}/unity_catalog.json"))

  raw            = regex("^abfss://(?P<container>[a-z0-9-]+)@(?P<account>[a-z0-9]+)\\.dfs", local.settings.raw.root)
  name           = "retailflow-${var.environment}"
  is_prod        = var.environment == "prod"
  is_private     = coalesce(var.private_endpoints, var.environment != "dev")
  tags           = local.settings.tags
  key_vault_name = coalesce(var.key_vault_name, "kv-${local.name}")
}

data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "this" {
  name     = "rg-${local.name}"
  location = var.location
  tags     = local.tags
}

module "networking" {
  source = "./modules/networking"

  name                = local.name
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  address_space       = var.address_space
  hub_network         = var.hub_network
  has_clusters        = local.settings.compute.profile != "serverless"
  tags                = local.tags

  private_endpoints = local.is_private ? {
    storage_dfs       = { resource_id = module.storage.account_id, subresource = "dfs" }
    storage_blob      = { resource_id = module.storage.account_id, subresource = "blob" }
    key_vault         = { resource_id = module.key_vault.id, subresource = "vault" }
    airflow_key_vault = { resource_id = module.airflow_key_vault.id, subresource = "vault" }
    workspace         = { resource_id = module.databricks.workspace_id, subresource = "databricks_ui_api" }
    workspace_login   = { resource_id = module.databricks.workspace_id, subresource = "browser_authentication" }
  } : {}
}

module "storage" {
  source = "./modules/storage"

  account_name           = local.raw.account
  raw_container          = local.raw.container
  resource_group_name    = azurerm_resource_group.this.name
  location               = var.location
  replication            = local.is_prod ? "ZRS" : "LRS"
  is_private             = local.is_private
  raw_writer_role        = { name = "RetailFlow RAW writer (${var.environment})", scope = azurerm_resource_group.this.id }
  raw_eraser_role        = { name = "RetailFlow RAW eraser (${var.environment})", scope = azurerm_resource_group.this.id }
  connector_principal_id = module.databricks.connector_principal_id
  airflow_principal_id   = try(var.airflow_principal.object_id, null)
  ingestion_principal_id = var.ingestion_principal_object_id
  eraser_principal_id    = var.eraser_principal
  tags                   = local.tags
}

# The secrets of the jobs. A secret scope shows them its whole vault, so Airflow's own secrets are in another vault.
module "key_vault" {
  source = "./modules/key_vault"

  name                = local.key_vault_name
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tenant_id           = data.azurerm_client_config.current.tenant_id
  is_private          = local.is_private
  is_secret_scope     = true
  reader_principal_id = var.azure_databricks_object_id
  tags                = local.tags
}

module "airflow_key_vault" {
  source = "./modules/key_vault"

  name                = "${local.key_vault_name}-air"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tenant_id           = data.azurerm_client_config.current.tenant_id
  is_private          = local.is_private
  is_secret_scope     = false
  reader_principal_id = try(var.airflow_principal.object_id, null)
  tags                = local.tags
}

module "databricks" {
  source = "./modules/databricks"

  name                  = local.name
  environment           = var.environment
  account_id            = var.databricks_account_id
  resource_group_name   = azurerm_resource_group.this.name
  location              = var.location
  network               = module.networking.workspace_network
  is_private            = local.is_private
  private_endpoints     = module.networking.private_endpoint_ids
  metastore             = module.databricks_account.metastore
  catalog               = local.settings.catalog
  feeds                 = local.contracts.feeds
  grants                = local.contracts.grants
  principals            = module.databricks_account.principals
  group_ids             = module.databricks_account.group_ids
  service_principal_ids = module.databricks_account.service_principal_ids
  raw_url               = module.storage.raw_url
  processed_url         = module.storage.processed_url
  secret_scope          = local.settings.secret_scope
  key_vault             = module.key_vault.vault
  code_directory        = "/retailflow" # releases/<version> and bundle/ are below it
  warehouse_size        = local.is_prod ? "Small" : "2X-Small"
  tags                  = local.tags
}

module "databricks_account" {
  source    = "./modules/databricks_account"
  providers = { databricks = databricks.account }

  name               = local.name
  environment        = var.environment
  location           = var.location
  account_id         = var.databricks_account_id
  roles              = setsubtract(keys(local.contracts.grants.catalog), ["jobs", "deployer"])
  airflow_client_id  = try(var.airflow_principal.client_id, null)
  deployer_client_id = var.deployer_client_id
  github_repository  = var.github_repository
  metastore_id       = var.metastore_id
  workspace_id       = module.databricks.workspace_number
  is_private         = local.is_private
  storage_account_id = module.storage.account_id
  tags               = local.tags
}

module "monitor" {
  source = "./modules/monitor"

  name                        = local.name
  subscription_id             = data.azurerm_client_config.current.subscription_id
  resource_group_name         = azurerm_resource_group.this.name
  managed_resource_group_name = module.databricks.managed_resource_group_name
  location                    = var.location
  retention_days              = local.is_prod ? 90 : 30
  alert_addresses             = local.settings.alert_addresses
  monthly_budget              = var.monthly_budget
  storage_account_id          = module.storage.account_id
  key_vault_ids               = { key_vault = module.key_vault.id, airflow_key_vault = module.airflow_key_vault.id }
  workspace_id                = module.databricks.workspace_id
  tags                        = local.tags
}
