mock_provider "databricks" {}

variables {
  name               = "retailflow-test"
  environment        = "test"
  location           = "westeurope"
  roles              = ["gold_reader", "platform_admin", "restricted_reader"]
  airflow_client_id  = "00000000-0000-0000-0000-000000000004"
  workspace_id       = "1234"
  is_private         = true
  storage_account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/x"
}

run "private" {
  command = plan

  module {
    source = "./modules/databricks_account"
  }

  assert {
    condition     = output.principals == { gold_reader = "retailflow_test_gold_reader", platform_admin = "retailflow_test_platform_admin", restricted_reader = "retailflow_test_restricted_reader", jobs = "00000000-0000-0000-0000-000000000004" }
    error_message = "Each role is a group of its environment; the jobs are a service principal."
  }

  assert {
    condition     = { for role, given in databricks_mws_permission_assignment.role : role => one(given.permissions) } == { gold_reader = "USER", platform_admin = "ADMIN", restricted_reader = "USER" }
    error_message = "Only administrators administer the workspace."
  }

  assert {
    condition     = join(" ", keys(databricks_mws_ncc_private_endpoint_rule.storage)) == "blob dfs" && length(databricks_mws_ncc_binding.this) == 1
    error_message = "Serverless compute reaches private storage by endpoints of its own."
  }
}

run "public" {
  command = plan

  module {
    source = "./modules/databricks_account"
  }

  variables {
    is_private = false
  }

  assert {
    condition     = length(databricks_mws_network_connectivity_config.this) + length(databricks_mws_ncc_binding.this) == 0
    error_message = "Serverless compute needs no endpoints where storage is public."
  }
}
