// The ledger: PostgreSQL without a public address, its network, and a vault for the secrets of the function.

param name string
param location string
param suffix string

@description('The identity of the function, which reads the secrets.')
param principalId string

@secure()
param administratorPassword string

@secure()
param databasePassword string

@secure()
param notificationUrl string

var databaseName = 'consumer'
// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

// The subnets are in it: a deployment of a network without them would delete them.
resource network 'Microsoft.Network/virtualNetworks@2026-03-01' = {
  name: name
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.20.0.0/16'] }
    subnets: [
      {
        name: 'functions'
        properties: {
          // Enough addresses for all instances: https://learn.microsoft.com/azure/azure-functions/functions-networking-options
          addressPrefix: '10.20.0.0/24'
          delegations: [{ name: 'functions', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'servers'
        properties: {
          addressPrefix: '10.20.1.0/28'
          delegations: [{ name: 'servers', properties: { serviceName: 'Microsoft.DBforPostgreSQL/flexibleServers' } }]
        }
      }
    ]
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: '${name}.private.postgres.database.azure.com'
  location: 'global'
}

resource zoneLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: zone
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2026-10-01' = {
  name: '${name}-${suffix}'
  location: location
  // 844 connections of users: https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-limits
  sku: {
    name: 'Standard_D2ds_v5'
    tier: 'GeneralPurpose'
  }
  properties: {
    version: '17'
    administratorLogin: 'consumer_administrator'
    administratorLoginPassword: administratorPassword
    authConfig: {
      activeDirectoryAuth: 'Disabled'
      passwordAuth: 'Enabled'
    }
    storage: {
      storageSizeGB: 32
      autoGrow: 'Enabled'
    }
    backup: {
      backupRetentionDays: 14
      geoRedundantBackup: 'Enabled'
    }
    // Commits are on the standby before they are confirmed. A failover to an asynchronous replica would forget some.
    highAvailability: { mode: 'ZoneRedundant' }
    network: {
      delegatedSubnetResourceId: network.properties.subnets[1].id
      privateDnsZoneArmResourceId: zone.id
      publicNetworkAccess: 'Disabled'
    }
  }
  dependsOn: [zoneLink]
}

resource database 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2026-10-01' = {
  parent: server
  name: databaseName
  properties: {
    charset: 'UTF8'
    collation: 'en_US.utf8'
  }
}

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
  name: 'kv-${suffix}'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
  }
}

// Without sslmode: TLS with a verified certificate.
resource databaseSecret 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = {
  parent: vault
  name: 'database-url'
  properties: {
    contentType: 'text/plain'
    value: 'postgres://app:${uriComponent(databasePassword)}@${server.properties.fullyQualifiedDomainName}/${database.name}'
  }
}

resource receiverSecret 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = {
  parent: vault
  name: 'notification-url'
  properties: {
    contentType: 'text/plain'
    value: notificationUrl
  }
}

resource readDatabase 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(databaseSecret.id, principalId, secretsUser)
  scope: databaseSecret
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource readReceiver 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(receiverSecret.id, principalId, secretsUser)
  scope: receiverSecret
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output subnetId string = network.properties.subnets[0].id
output serverId string = server.id
output serverName string = server.properties.fullyQualifiedDomainName
output databaseUrl string = '${vault.properties.vaultUri}secrets/${databaseSecret.name}'
output notificationUrl string = '${vault.properties.vaultUri}secrets/${receiverSecret.name}'
