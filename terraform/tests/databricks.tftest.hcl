mock_provider "azurerm" {}
mock_provider "databricks" {}

variables {
  name                = "retailflow-test"
  environment         = "test"
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
  }
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
    error_message = "A private workspace is reached by its endpoint only."
  }

  assert {
    condition     = databricks_external_location.raw.read_only && databricks_external_location.raw.url == "abfss://raw@retailflowtest.dfs.core.windows.net/"
    error_message = "Unity Catalog only reads RAW."
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
    error_message = "A schema for each layer, one for what the jobs build and one for what they know."
  }

  assert {
    condition = alltrue(flatten([
      for securable, given in databricks_grants.this : [
        for grant in given.grant : alltrue([
          for privilege in grant.privileges : contains(["USE_CATALOG", "USE_SCHEMA", "SELECT", "READ_VOLUME"], privilege)
        ]) || contains(["retailflow_test_platform_admin", "00000000-0000-0000-0000-000000000004"], grant.principal)
      ]
    ]))
    error_message = "Only the jobs and the administrators write; a reader has a privilege that is more than reading."
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
    error_message = "Grants name what they are on."
  }

  assert {
    condition     = databricks_secret_scope.this.keyvault_metadata[0].dns_name == "https://x.vault.azure.net/" && databricks_secret_acl.jobs.permission == "READ"
    error_message = "The secret scope is backed by the Key Vault; the jobs read it."
  }

  assert {
    condition     = one([for access in databricks_permissions.code.access_control : access.permission_level if access.service_principal_name == "00000000-0000-0000-0000-000000000004"]) == "CAN_READ"
    error_message = "The jobs read their code and cannot change it."
  }

  assert {
    condition     = databricks_instance_pool.jobs.min_idle_instances == 0 && databricks_sql_endpoint.readers.auto_stop_mins == 10
    error_message = "What nobody uses costs nothing."
  }

  assert {
    condition     = length(databricks_permissions.warehouse.access_control) == 7 && alltrue([for access in databricks_permissions.warehouse.access_control : access.permission_level == "CAN_USE"])
    error_message = "Every role and the jobs may use the warehouse; only administrators change it."
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
    error_message = "A public workspace can be reached, and Databricks reaches its clusters."
  }
}
