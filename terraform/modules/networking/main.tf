# The network of the workspace's classic compute (VNet injection) and of the private endpoints. It costs nothing by
# itself. A workspace without one gets a network that Databricks manages, with a NAT gateway that always costs money.
resource "azurerm_virtual_network" "this" {
  name                = "vnet-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  address_space       = [var.address_space]
  tags                = var.tags
}

# Databricks adds the rules of its own traffic to this group.
resource "azurerm_network_security_group" "compute" {
  name                = "nsg-${var.name}-compute"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

locals {
  # Each machine has an address in both. Databricks calls them public and private, but neither has public addresses.
  compute_subnets = { public = 1, private = 2 }
}

resource "azurerm_subnet" "compute" {
  for_each = local.compute_subnets

  name                            = "snet-${var.name}-${each.key}"
  resource_group_name             = var.resource_group_name
  virtual_network_name            = azurerm_virtual_network.this.name
  address_prefixes                = [cidrsubnet(var.address_space, 2, each.value)]
  default_outbound_access_enabled = false

  delegation {
    name = "databricks"

    service_delegation {
      name = "Microsoft.Databricks/workspaces"
      actions = [
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Microsoft.Network/virtualNetworks/subnets/prepareNetworkPolicies/action",
        "Microsoft.Network/virtualNetworks/subnets/unprepareNetworkPolicies/action",
      ]
    }
  }
}

resource "azurerm_subnet_network_security_group_association" "compute" {
  for_each = local.compute_subnets

  subnet_id                 = azurerm_subnet.compute[each.key].id
  network_security_group_id = azurerm_network_security_group.compute.id
}

# Clusters have no public address. They connect to the Internet through the NAT gateway, so other systems see one
# address. Serverless compute does not run in this network.
resource "azurerm_public_ip" "outbound" {
  count = var.has_clusters ? 1 : 0

  name                = "pip-${var.name}-outbound"
  resource_group_name = var.resource_group_name
  location            = var.location
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = var.tags
}

resource "azurerm_nat_gateway" "outbound" {
  count = var.has_clusters ? 1 : 0

  name                = "ng-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  sku_name            = "Standard"
  tags                = var.tags
}

resource "azurerm_nat_gateway_public_ip_association" "outbound" {
  count = var.has_clusters ? 1 : 0

  nat_gateway_id       = azurerm_nat_gateway.outbound[0].id
  public_ip_address_id = azurerm_public_ip.outbound[0].id
}

resource "azurerm_subnet_nat_gateway_association" "outbound" {
  for_each = var.has_clusters ? local.compute_subnets : {}

  nat_gateway_id = azurerm_nat_gateway.outbound[0].id
  subnet_id      = azurerm_subnet.compute[each.key].id
}

resource "azurerm_virtual_network_peering" "to_hub" {
  count = var.hub_network == null ? 0 : 1

  name                      = "peer-hub"
  resource_group_name       = var.resource_group_name
  virtual_network_name      = azurerm_virtual_network.this.name
  remote_virtual_network_id = var.hub_network.id
}

resource "azurerm_virtual_network_peering" "from_hub" {
  count = var.hub_network == null ? 0 : 1

  name                      = "peer-${var.name}"
  resource_group_name       = var.hub_network.resource_group_name
  virtual_network_name      = var.hub_network.name
  remote_virtual_network_id = azurerm_virtual_network.this.id
}
