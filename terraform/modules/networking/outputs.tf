output "workspace_network" {
  description = "The network that the workspace is injected into; known after its security group and NAT gateway."
  value = {
    id                     = azurerm_virtual_network.this.id
    public_subnet          = azurerm_subnet.compute["public"].name
    private_subnet         = azurerm_subnet.compute["private"].name
    public_association_id  = azurerm_subnet_network_security_group_association.compute["public"].id
    private_association_id = azurerm_subnet_network_security_group_association.compute["private"].id
  }

  depends_on = [azurerm_subnet_nat_gateway_association.outbound, azurerm_nat_gateway_public_ip_association.outbound]
}

output "private_endpoint_ids" {
  description = "Ids of the private endpoints; known as soon as their names resolve from the hub."
  value       = { for name, endpoint in merge(azurerm_private_endpoint.this, azurerm_private_endpoint.login) : name => endpoint.id }

  depends_on = [
    azurerm_private_dns_zone_virtual_network_link.this,
    azurerm_virtual_network_peering.from_hub,
    azurerm_virtual_network_peering.to_hub,
  ]
}
