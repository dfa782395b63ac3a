# Without private endpoints, none of these resources exists.
locals {
  zones = {
    dfs                    = "privatelink.dfs.core.windows.net"
    blob                   = "privatelink.blob.core.windows.net"
    vault                  = "privatelink.vaultcore.azure.net"
    databricks_ui_api      = "privatelink.azuredatabricks.net"
    browser_authentication = "privatelink.azuredatabricks.net"
  }
  # Azure rejects changes of a workspace while it creates an endpoint for it, so the sign-in endpoint comes second.
  login_endpoints = { for name, endpoint in var.private_endpoints : name => endpoint if endpoint.subresource == "browser_authentication" }
  other_endpoints = { for name, endpoint in var.private_endpoints : name => endpoint if endpoint.subresource != "browser_authentication" }
  used_zones      = toset([for endpoint in var.private_endpoints : local.zones[endpoint.subresource]])
  networks = merge(
    { own = azurerm_virtual_network.this.id },
    var.hub_network == null ? {} : { hub = var.hub_network.id },
  )
  links = {
    for pair in setproduct(local.used_zones, keys(local.networks)) : "${pair[1]}-${pair[0]}" => { zone = pair[0], network = pair[1] }
  }
}

resource "azurerm_network_security_group" "endpoints" {
  count = length(var.private_endpoints) == 0 ? 0 : 1

  name                = "nsg-${var.name}-endpoints"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_subnet" "endpoints" {
  count = length(var.private_endpoints) == 0 ? 0 : 1

  name                              = "snet-${var.name}-endpoints"
  resource_group_name               = var.resource_group_name
  virtual_network_name              = azurerm_virtual_network.this.name
  address_prefixes                  = [cidrsubnet(var.address_space, 4, 0)]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = "Enabled" # the security group applies to endpoints too
}

resource "azurerm_subnet_network_security_group_association" "endpoints" {
  count = length(var.private_endpoints) == 0 ? 0 : 1

  subnet_id                 = azurerm_subnet.endpoints[0].id
  network_security_group_id = azurerm_network_security_group.endpoints[0].id
}

resource "azurerm_private_dns_zone" "this" {
  for_each = local.used_zones

  name                = each.value
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = local.links

  name                = each.value.network
  private_dns_zone_id = azurerm_private_dns_zone.this[each.value.zone].id
  virtual_network_id  = local.networks[each.value.network]
  tags                = var.tags
}

resource "azurerm_private_endpoint" "this" {
  for_each = local.other_endpoints

  name                = "pe-${var.name}-${replace(each.key, "_", "-")}"
  resource_group_name = var.resource_group_name
  location            = var.location
  subnet_id           = azurerm_subnet.endpoints[0].id
  tags                = var.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.resource_id
    subresource_names              = [each.value.subresource]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.this[local.zones[each.value.subresource]].id]
  }
}

resource "azurerm_private_endpoint" "login" {
  for_each = local.login_endpoints

  name                = "pe-${var.name}-${replace(each.key, "_", "-")}"
  resource_group_name = var.resource_group_name
  location            = var.location
  subnet_id           = azurerm_subnet.endpoints[0].id
  tags                = var.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.resource_id
    subresource_names              = [each.value.subresource]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.this[local.zones[each.value.subresource]].id]
  }

  depends_on = [azurerm_private_endpoint.this]
}
