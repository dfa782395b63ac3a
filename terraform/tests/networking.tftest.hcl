mock_provider "azurerm" {}

variables {
  name                = "retailflow-test"
  resource_group_name = "rg-retailflow-test"
  location            = "westeurope"
  address_space       = "10.0.0.0/20"
  has_clusters        = false
  tags                = { environment = "test" }
}

run "public" {
  command = plan

  module {
    source = "./modules/networking"
  }

  assert {
    condition     = { for name, subnet in azurerm_subnet.compute : name => tolist(subnet.address_prefixes)[0] } == { public = "10.0.4.0/22", private = "10.0.8.0/22" }
    error_message = "The two subnets have 1,019 addresses each, beside the subnet of the endpoints."
  }

  assert {
    condition     = alltrue([for subnet in azurerm_subnet.compute : subnet.delegation[0].service_delegation[0].name == "Microsoft.Databricks/workspaces"])
    error_message = "Both compute subnets are delegated to Databricks."
  }

  assert {
    condition     = length(azurerm_subnet_network_security_group_association.compute) == 2
    error_message = "Each compute subnet has a security group."
  }

  assert {
    condition     = length(azurerm_nat_gateway.outbound) + length(azurerm_public_ip.outbound) + length(azurerm_subnet_nat_gateway_association.outbound) == 0
    error_message = "Serverless compute does not run here, so there is no paid NAT gateway."
  }

  assert {
    condition     = length(azurerm_private_endpoint.this) + length(azurerm_private_dns_zone.this) + length(azurerm_subnet.endpoints) == 0
    error_message = "Without private endpoints there are no private resources, and no costs for them."
  }
}

run "clusters" {
  command = plan

  module {
    source = "./modules/networking"
  }

  variables {
    has_clusters = true
  }

  assert {
    condition     = length(azurerm_subnet_nat_gateway_association.outbound) == 2 && length(azurerm_public_ip.outbound) == 1
    error_message = "Each compute subnet has outbound access, through one address."
  }
}

run "private" {
  command = plan

  module {
    source = "./modules/networking"
  }

  variables {
    private_endpoints = {
      storage_dfs     = { resource_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/x", subresource = "dfs" }
      workspace       = { resource_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/x", subresource = "databricks_ui_api" }
      workspace_login = { resource_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/x", subresource = "browser_authentication" }
    }
    hub_network = {
      id                  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
      name                = "vnet-hub"
      resource_group_name = "rg-hub"
    }
  }

  assert {
    condition     = { for name, endpoint in merge(azurerm_private_endpoint.this, azurerm_private_endpoint.login) : name => endpoint.private_service_connection[0].subresource_names[0] } == { storage_dfs = "dfs", workspace = "databricks_ui_api", workspace_login = "browser_authentication" }
    error_message = "Each target has an endpoint of its kind."
  }

  assert {
    condition     = join(" ", keys(azurerm_private_dns_zone.this)) == "privatelink.azuredatabricks.net privatelink.dfs.core.windows.net"
    error_message = "One zone for each kind of name, shared by the two endpoints of the workspace."
  }

  assert {
    condition     = length(azurerm_private_dns_zone_virtual_network_link.this) == 4
    error_message = "Both networks resolve both zones."
  }

  assert {
    condition     = azurerm_virtual_network_peering.from_hub[0].virtual_network_name == "vnet-hub" && length(azurerm_virtual_network_peering.to_hub) == 1
    error_message = "The hub is peered in both directions."
  }

  assert {
    condition     = length(azurerm_subnet_network_security_group_association.endpoints) == 1 && azurerm_subnet.endpoints[0].private_endpoint_network_policies == "Enabled"
    error_message = "The subnet of the endpoints has a security group that applies to endpoints."
  }
}
