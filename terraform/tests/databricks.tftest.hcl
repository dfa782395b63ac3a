mock_provider "azurerm" {}
mock_provider "databricks" {}

variables {
  name                = "retailflow-test"
  environment         = "test"
  account_id          = "00000000-0000-0000-0000-000000000003"
  resource_group_name = "rg-retailflow-test"
  location            = "westeurope"
  is_private          = true
  catalog             = "retailflow_test"
  grants              = jsondecode(file("./unity_catalog.json")).grants
  feeds               = ["orders", "customers"]
  raw_url             = "abfss://raw@retailflowtest.dfs.core.windows.net"
  processed_url       = "abfss://processed@retailflowtest.dfs.core.windows.net"
  secret_scope        = "retailflow-keyvault"
  code_directory      = "/retailflow"
  warehouse_size      = "2X-Small"
  tags                = { environment = "test" }
  principals = {
    raw_ingestion     = "retailflow_test_raw_ingestion"
    bronze_reader     = "retailflow_test_bronze_reader"
    silver_reader     = "retailflow_test_silver_reader"
    gold_reader       = "retailflow_test_gold_reader"
    analytics         = "retailflow_test_analytics"
    restricted_reader = "retailflow_test_restricted_reader"
    platform_admin    = "retailflow_test_platform_admin"
    jobs              = "00000000-0000-0000-0000-000000000004"
    deployer          = "00000000-0000-0000-0000-000000000009"
  }
  group_ids = {
    raw_ingestion     = "1"
    bronze_reader     = "2"
    silver_reader     = "3"
    gold_reader       = "4"
    analytics         = "5"
    restricted_reader = "6"
    platform_admin    = "7"
  }
  service_principal_ids = { jobs = "8", deployer = "9" }
  key_vault = {
    id  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/x"
    uri = "https://x.vault.azure.net/"
  }
  network = {
    id                     = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/x"
    public_subnet          = "public"
    private_subnet         = "private"
    public_association_id  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/x/subnets/public"
    private_association_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/x/subnets/private"
  }
}

run "private" {
  command = plan

  module {
    source = "./modules/databricks"
  }

  assert {
    condition     = azurerm_databricks_workspace.this.sku == "premium" && azurerm_databricks_workspace.this.custom_parameters[0].no_public_ip
    error_message = "The workspace is premium, and its machines have no public addresses."
  }

  assert {
    condition     = !azurerm_databricks_workspace.this.public_network_access_enabled && azurerm_databricks_workspace.this.network_security_group_rules_required == "NoAzureDatabricksRules"
    error_message = "A private workspace is reachable only through its endpoint."
  }

  assert {
    condition     = { for name, location in databricks_external_location.this : name => [location.url, location.read_only] } == { raw = ["abfss://raw@retailflowtest.dfs.core.windows.net/", true], processed = ["abfss://processed@retailflowtest.dfs.core.windows.net/", false] }
    error_message = "Unity Catalog only reads RAW, and writes tables."
  }

  assert {
    condition     = alltrue([for location in databricks_external_location.this : location.enable_file_events == false])
    error_message = "The connector has no role for the queues of file events, which are on unless they are turned off."
  }

  assert {
    condition     = databricks_catalog.this.enable_predictive_optimization == "DISABLE"
    error_message = "Predictive optimization would vacuum files that a late reader still needs, and cost extra beside the nightly maintenance."
  }

  assert {
    condition     = { for name, schema in databricks_schema.this : name => schema.enable_predictive_optimization if schema.enable_predictive_optimization != "INHERIT" } == { marts = "ENABLE" }
    error_message = "Databricks optimizes and vacuums dbt's marts, which the nightly maintenance skips."
  }

  assert {
    condition     = { for feed, volume in databricks_volume.feed : feed => volume.storage_location } == { orders = "abfss://raw@retailflowtest.dfs.core.windows.net/orders", customers = "abfss://raw@retailflowtest.dfs.core.windows.net/customers" }
    error_message = "Each feed has a volume on its folder."
  }

  assert {
    condition     = databricks_catalog.this.isolation_mode == "ISOLATED" && databricks_catalog.this.storage_root == "abfss://processed@retailflowtest.dfs.core.windows.net/"
    error_message = "The catalog belongs to this workspace, its tables to our storage."
  }

  assert {
    condition     = join(" ", keys(databricks_schema.this)) == "bronze gold gold_build marts ops quarantine raw silver"
    error_message = "Each layer has a schema, and so have the tables behind gold and the run log."
  }

  assert {
    condition     = databricks_tag_policy.classification.tag_key == "retailflow_test_classification" && join(" ", sort([for value in databricks_tag_policy.classification.values : value.name])) == "confidential internal public restricted"
    error_message = "Each catalog has a governed tag for the classification of its columns."
  }

  assert {
    condition     = one(databricks_access_control_rule_set.classification.grant_rules).role == "roles/tagPolicy.assigner" && toset(one(databricks_access_control_rule_set.classification.grant_rules).principals) == toset(["servicePrincipals/00000000-0000-0000-0000-000000000004", "groups/retailflow_test_platform_admin"])
    error_message = "Only the jobs and the administrators open a column by its tag."
  }

  assert {
    condition = alltrue(flatten([
      for securable, given in databricks_grants.this : [
        for grant in given.grant : alltrue([
          for privilege in grant.privileges : contains(["USE_CATALOG", "USE_SCHEMA", "SELECT", "READ_VOLUME"], privilege)
        ]) || contains([var.principals["platform_admin"], var.principals["jobs"], var.principals["deployer"]], grant.principal)
      ]
    ]))
    error_message = "Only the jobs, the deployer and the administrators write; a reader has a privilege that is more than reading."
  }

  assert {
    condition     = toset(flatten([for given in databricks_grants.this : [for grant in given.grant : grant.privileges if grant.principal == var.principals["deployer"]]])) == toset(["USE_CATALOG", "USE_SCHEMA", "CREATE_FUNCTION", "MANAGE"])
    error_message = "The deployer creates masks, and neither reads nor writes a table."
  }

  assert {
    condition = {
      for securable, given in databricks_grants.this : securable => join(" ", sort([
        for grant in given.grant : grant.principal if contains(grant.privileges, "SELECT") && startswith(grant.principal, "retailflow")
      ])) if startswith(securable, "schema.")
      } == {
      "schema.bronze"     = "retailflow_test_bronze_reader"
      "schema.gold"       = "retailflow_test_analytics retailflow_test_gold_reader"
      "schema.gold_build" = ""
      "schema.marts"      = "retailflow_test_analytics retailflow_test_gold_reader"
      "schema.ops"        = "retailflow_test_bronze_reader"
      "schema.quarantine" = "retailflow_test_bronze_reader"
      "schema.raw"        = ""
      "schema.silver"     = "retailflow_test_silver_reader"
    }
    error_message = "Each role reads its own schemas and no others."
  }

  assert {
    condition     = databricks_grants.this["schema.gold"].schema == "retailflow_test.gold" && databricks_grants.this["external_location.raw"].external_location == "retailflow_test_raw" && databricks_grants.this["catalog"].catalog == "retailflow_test"
    error_message = "Grants name their securable."
  }

  assert {
    condition     = databricks_secret_scope.this.keyvault_metadata[0].dns_name == "https://x.vault.azure.net/" && databricks_secret_acl.jobs.permission == "READ"
    error_message = "The secret scope is backed by the Key Vault; the jobs read it."
  }

  assert {
    condition     = { for access in databricks_permissions.code.access_control : coalesce(access.service_principal_name, access.group_name) => access.permission_level } == { "00000000-0000-0000-0000-000000000004" = "CAN_READ", "00000000-0000-0000-0000-000000000009" = "CAN_MANAGE", "retailflow_test_platform_admin" = "CAN_MANAGE" }
    error_message = "The deployer installs the code; the jobs read it and cannot change it."
  }

  assert {
    condition     = databricks_instance_pool.jobs.min_idle_instances == 0 && { for name, warehouse in databricks_sql_endpoint.this : name => "${warehouse.cluster_size}, ${warehouse.auto_stop_mins} min" } == { programs = "2X-Small, 1 min", readers = "2X-Small, 5 min" }
    error_message = "Unused compute costs nothing; a program's query costs a minute of the smallest warehouse."
  }

  assert {
    condition     = databricks_instance_pool.jobs.max_capacity == 36 && databricks_instance_pool.jobs.node_type_id == "Standard_D4ds_v5"
    error_message = "docs/DEPLOYMENT.md names the quota of the pool: 144 vCPUs."
  }

  assert {
    condition = [
      for given in [databricks_permissions.pool, databricks_permissions.policy] :
      join(" ", sort([for access in given.access_control : "${access.service_principal_name} ${access.permission_level}"]))
      ] == [
      "00000000-0000-0000-0000-000000000004 CAN_ATTACH_TO 00000000-0000-0000-0000-000000000009 CAN_ATTACH_TO",
      "00000000-0000-0000-0000-000000000004 CAN_USE 00000000-0000-0000-0000-000000000009 CAN_USE",
    ]
    error_message = "The release's job of the masks runs on the same pool as the jobs, as the deployer."
  }

  assert {
    condition     = one(databricks_permissions.programs_warehouse.access_control).service_principal_name == "00000000-0000-0000-0000-000000000004"
    error_message = "Only the jobs' principal uses the warehouse of programs."
  }

  assert {
    condition     = join(" ", sort([for access in databricks_permissions.readers_warehouse.access_control : coalesce(access.group_name, access.service_principal_name)])) == "00000000-0000-0000-0000-000000000009 retailflow_test_analytics retailflow_test_bronze_reader retailflow_test_gold_reader retailflow_test_raw_ingestion retailflow_test_restricted_reader retailflow_test_silver_reader"
    error_message = "Every role and the deployer of dashboards may use the readers' warehouse."
  }

  assert {
    condition     = alltrue([for access in setunion(databricks_permissions.programs_warehouse.access_control, databricks_permissions.readers_warehouse.access_control) : access.permission_level == "CAN_USE"])
    error_message = "Only administrators change a warehouse."
  }

  assert {
    condition     = { for role, given in databricks_entitlements.group : role => given.workspace_access } == { raw_ingestion = false, bronze_reader = true, silver_reader = true, gold_reader = false, analytics = false, restricted_reader = false }
    error_message = "Only engineers get notebooks, jobs and serverless compute; other readers get SQL."
  }

  assert {
    condition     = alltrue([for given in merge(databricks_entitlements.group, databricks_entitlements.service_principal) : given.databricks_sql_access]) && alltrue([for given in databricks_entitlements.service_principal : given.workspace_access])
    error_message = "Nobody gets an entitlement by membership of `users`: each role has its own, and so have the service principals."
  }
}

run "public" {
  command = plan

  module {
    source = "./modules/databricks"
  }

  variables {
    is_private = false
  }

  assert {
    condition     = azurerm_databricks_workspace.this.public_network_access_enabled && azurerm_databricks_workspace.this.network_security_group_rules_required == "AllRules"
    error_message = "A public workspace is reachable, and Databricks reaches its clusters."
  }
}
