mock_provider "azurerm" {}

variables {
  account_name           = "retailflowtest"
  resource_group_name    = "rg-retailflow-test"
  location               = "westeurope"
  is_private             = true
  raw_writer_role        = { name = "RetailFlow RAW writer (test)", scope = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-retailflow-test" }
  raw_eraser_role        = { name = "RetailFlow RAW eraser (test)", scope = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-retailflow-test" }
  connector_principal_id = "00000000-0000-0000-0000-000000000008"
  airflow_principal_id   = "00000000-0000-0000-0000-000000000005"
  ingestion_principal_id = "00000000-0000-0000-0000-000000000006"
  eraser_principal_id    = "00000000-0000-0000-0000-00000000000b"
  tags                   = { environment = "test" }
}

run "private" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition     = azurerm_storage_account.this.is_hns_enabled && azurerm_storage_account.this.account_tier == "Standard" && azurerm_storage_account.this.account_kind == "StorageV2"
    error_message = "The account is ADLS Gen2: it has a hierarchical namespace."
  }

  assert {
    condition     = !azurerm_storage_account.this.public_network_access_enabled && azurerm_storage_account.this.network_rules[0].default_action == "Deny"
    error_message = "A private account has no public network access."
  }

  assert {
    condition     = !azurerm_storage_account.this.shared_access_key_enabled && !azurerm_storage_account.this.allow_nested_items_to_be_public && !azurerm_storage_account.this.local_user_enabled
    error_message = "Only Entra identities have access."
  }

  assert {
    condition     = azurerm_storage_container.raw.name == "raw" && azurerm_storage_container.processed.name == "processed"
    error_message = "The containers are raw and processed."
  }

  assert {
    condition     = azurerm_storage_container.raw.container_access_type == "private" && azurerm_storage_container.processed.container_access_type == "private"
    error_message = "No container is public."
  }

  assert {
    condition     = azurerm_storage_container_immutability_policy.raw.immutability_period_in_days == 14 && !azurerm_storage_container_immutability_policy.raw.locked
    error_message = "RAW is immutable for 14 days, and the policy can be lifted for an erasure."
  }

  assert {
    condition = alltrue(flatten([for rule in azurerm_storage_management_policy.this.rule : [for blob in rule.actions[0].base_blob : [
      blob.delete_after_days_since_modification_greater_than == null && blob.tier_to_archive_after_days_since_modification_greater_than == null,
      blob.tier_to_cool_after_days_since_modification_greater_than == 30 && blob.tier_to_cold_after_days_since_modification_greater_than == 180,
    ]]]))
    error_message = "RAW moves to cheaper tiers. It is neither deleted nor archived, so it can always be read at once."
  }

  assert {
    condition     = { for name, given in azurerm_role_assignment.connector : name => given.role_definition_name } == { raw = "Storage Blob Data Reader", processed = "Storage Blob Data Contributor", account = "Storage Blob Delegator" }
    error_message = "Unity Catalog reads RAW and writes tables."
  }

  assert {
    condition     = alltrue([for action in azurerm_role_definition.raw_writer.permissions[0].data_actions : !strcontains(action, "delete") && !strcontains(action, "*") && !strcontains(action, "Owner")])
    error_message = "The writers of RAW cannot delete from it."
  }

  assert {
    condition     = azurerm_role_assignment.airflow[0].role_definition_name == "Storage Blob Data Reader" && length(azurerm_role_assignment.ingestion) == 1
    error_message = "Airflow reads RAW; the ingestion principal writes it."
  }

  assert {
    condition     = join(" ", sort([for action in azurerm_role_definition.raw_eraser.permissions[0].data_actions : trimprefix(action, "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/")])) == "add/action delete read write" && azurerm_role_assignment.eraser[0].principal_id == "00000000-0000-0000-0000-00000000000b"
    error_message = "Only the eraser deletes from RAW."
  }
}

run "public" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    is_private             = false
    airflow_principal_id   = null
    ingestion_principal_id = null
    eraser_principal_id    = null
  }

  assert {
    condition     = azurerm_storage_account.this.public_network_access_enabled && !azurerm_storage_account.this.shared_access_key_enabled
    error_message = "In dev the account is reachable, but only for Entra identities, as everywhere."
  }

  assert {
    condition     = length(azurerm_role_assignment.eraser) == 0
    error_message = "By default nobody deletes from RAW."
  }

  assert {
    condition     = azurerm_storage_container.raw.container_access_type == "private" && !azurerm_storage_account.this.allow_nested_items_to_be_public
    error_message = "Nobody reads without an identity, not even in dev."
  }
}

run "erasure_would_come_too_late" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    raw_immutability_days = 21
  }

  expect_failures = [var.raw_immutability_days]
}
