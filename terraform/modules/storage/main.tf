# ADLS Gen2: the immutable container RAW, and the container processed, where Unity Catalog stores its tables.
resource "azurerm_storage_account" "this" {
  #checkov:skip=CKV_AZURE_59: is_private decides. ./retailflow check reads the plans of stg and prod; dev is public.
  #checkov:skip=CKV_AZURE_35: The same.
  #checkov:skip=CKV_AZURE_36: No Azure service must pass the firewall; Unity Catalog uses a private endpoint.
  #checkov:skip=CKV_AZURE_33: There are no queues.
  #checkov:skip=CKV2_AZURE_33: The endpoints are in modules/networking, which this check does not read.
  #checkov:skip=CKV2_AZURE_1: Microsoft's keys: a lost customer key would lose RAW. Add one if a rule demands it.
  name                = var.account_name
  resource_group_name = var.resource_group_name
  location            = var.location

  account_tier                      = "Standard"
  account_kind                      = "StorageV2"
  account_replication_type          = var.replication
  is_hns_enabled                    = true
  infrastructure_encryption_enabled = true
  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  local_user_enabled                = false
  cross_tenant_replication_enabled  = false
  allow_nested_items_to_be_public   = false
  default_to_oauth_authentication   = true
  shared_access_key_enabled         = false
  public_network_access_enabled     = !var.is_private
  tags                              = var.tags

  network_rules {
    default_action = var.is_private ? "Deny" : "Allow"
    bypass         = ["None"]
  }

  # Soft delete also keeps files that VACUUM deletes from `processed`. docs/DEPLOYMENT.md explains why RAW and
  # `processed` share an account.
  blob_properties {
    delete_retention_policy {
      days = var.soft_delete_days
    }
    container_delete_retention_policy {
      days = var.soft_delete_days
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_storage_container" "raw" {
  #checkov:skip=CKV2_AZURE_21: Reads would be most of the log; modules/monitor logs writes and deletions.
  name                  = var.raw_container
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
}

resource "azurerm_storage_container" "processed" {
  #checkov:skip=CKV2_AZURE_21: Reads would be most of the log; modules/monitor logs writes and deletions.
  name                  = "processed"
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
}

# Not locked: a lock is permanent, and a request for erasure may come on the day after a delivery. Lifting the policy
# triggers an alert.
resource "azurerm_storage_container_immutability_policy" "raw" {
  storage_container_resource_manager_id = azurerm_storage_container.raw.id
  immutability_period_in_days           = var.raw_immutability_days
  locked                                = false
  protected_append_writes_enabled       = false
}

# Any day of RAW may be replayed at any time. So it moves to cheaper tiers, but is neither archived nor deleted.
resource "azurerm_storage_management_policy" "this" {
  storage_account_id = azurerm_storage_account.this.id

  rule {
    name    = "raw-gets-cheaper"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${var.raw_container}/"]
    }

    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than = 30
        tier_to_cold_after_days_since_modification_greater_than = 180
      }
    }
  }
}
