mock_provider "databricks" {}

variables {
  name               = "retailflow-test"
  environment        = "test"
  location           = "westeurope"
  roles              = ["gold_reader", "platform_admin", "restricted_reader"]
  account_id         = "00000000-0000-0000-0000-000000000003"
  airflow_client_id  = "00000000-0000-0000-0000-000000000004"
  deployer_client_id = "00000000-0000-0000-0000-000000000009"
  github_repository  = "example/retailflow"
  metastore_id       = "00000000-0000-0000-0000-00000000000a"
  workspace_id       = "1234"
  is_private         = true
  tags               = { environment = "test" }
  storage_account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/x"
}

run "private" {
  command = plan

  module {
    source = "./modules/databricks_account"
  }

  assert {
    condition     = output.principals == { gold_reader = "retailflow_test_gold_reader", platform_admin = "retailflow_test_platform_admin", restricted_reader = "retailflow_test_restricted_reader", jobs = "00000000-0000-0000-0000-000000000004", deployer = "00000000-0000-0000-0000-000000000009" }
    error_message = "Each role is a group of its environment; the jobs and the deployer are service principals."
  }

  assert {
    condition     = databricks_metastore_assignment.this[0].metastore_id == "00000000-0000-0000-0000-00000000000a"
    error_message = "The workspace gets the given metastore."
  }

  assert {
    condition     = databricks_access_control_rule_set.jobs.name == "accounts/00000000-0000-0000-0000-000000000003/servicePrincipals/00000000-0000-0000-0000-000000000004/ruleSets/default" && one(databricks_access_control_rule_set.jobs.grant_rules).role == "roles/servicePrincipal.user" && one(one(databricks_access_control_rule_set.jobs.grant_rules).principals) == "servicePrincipals/00000000-0000-0000-0000-000000000009"
    error_message = "Only the deployer creates jobs that run as `jobs`."
  }

  assert {
    condition     = databricks_service_principal_federation_policy.github[0].oidc_policy.subject == "repo:example/retailflow:environment:test" && one(databricks_service_principal_federation_policy.github[0].oidc_policy.audiences) == "00000000-0000-0000-0000-000000000003"
    error_message = "GitHub's runs in the environment sign in as the deployer, with a token for this account."
  }

  assert {
    condition     = one(databricks_budget_policy.jobs.custom_tags) == { key = "environment", value = "test" } && one(databricks_budget_policy.jobs.binding_workspace_ids) == 1234
    error_message = "Serverless compute has the tags of the environment, in its workspace."
  }

  assert {
    condition     = one(databricks_access_control_rule_set.budget_policy.grant_rules).role == "roles/budgetPolicy.user" && toset(one(databricks_access_control_rule_set.budget_policy.grant_rules).principals) == toset(["servicePrincipals/00000000-0000-0000-0000-000000000004", "servicePrincipals/00000000-0000-0000-0000-000000000009"])
    error_message = "Only the jobs and the deployer use the budget policy."
  }

  assert {
    condition     = { for role, given in databricks_mws_permission_assignment.role : role => one(given.permissions) } == { gold_reader = "USER", platform_admin = "ADMIN", restricted_reader = "USER" }
    error_message = "Only administrators administer the workspace."
  }

  assert {
    condition     = { for name, given in databricks_mws_permission_assignment.service_principal : name => one(given.permissions) } == { jobs = "USER", deployer = "USER" }
    error_message = "Neither the jobs nor the deployer administer the workspace."
  }

  assert {
    condition     = join(" ", keys(databricks_mws_ncc_private_endpoint_rule.storage)) == "blob dfs" && length(databricks_mws_ncc_binding.this) == 1
    error_message = "Serverless compute connects to private storage through its own endpoints."
  }
}

run "public" {
  command = plan

  module {
    source = "./modules/databricks_account"
  }

  variables {
    is_private        = false
    github_repository = null
    metastore_id      = null
  }

  assert {
    condition     = length(databricks_mws_network_connectivity_config.this) + length(databricks_mws_ncc_binding.this) == 0
    error_message = "Serverless compute needs no endpoints where storage is public."
  }

  assert {
    condition     = length(databricks_metastore_assignment.this) + length(databricks_service_principal_federation_policy.github) == 0
    error_message = "Without a repository nobody signs in as the deployer; without a metastore's id the account assigns one."
  }
}
