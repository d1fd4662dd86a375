// send-notification as a custom handler of Azure Functions, on a Storage Queue, with the ledger in PostgreSQL.
//
// For another function, change the default of `name`, the folder app/, and what send-notification needs of its own: the parameter
// and the setting below `send-notification:`.

@description('Name of the function. It begins the names of the resources.')
@minLength(3)
@maxLength(24)
param name string = 'send-notification'

@description('Name of the queue, as in function.json.')
@minLength(3)
@maxLength(56)
param queueName string = 'notifications'

@description('Region of all resources.')
param location string = resourceGroup().location

@description('Messages that one instance processes at a time: batchSize plus newBatchThreshold of host.json.')
@minValue(1)
param concurrency int = 20

@description('The most instances; 40 is the lowest maximum. This many times concurrency connections go to PostgreSQL.')
@minValue(40)
@maxValue(1000)
param instances int = 40

@description('Seconds until the answer to a message: functionTimeout of host.json.')
@minValue(15)
param deadlineSeconds int = 300

@description('Password of the administrator of PostgreSQL, who creates the role and the table. The function does not have it.')
@secure()
param administratorPassword string

@description('Password of the role app, which the function uses.')
@secure()
param databasePassword string

@description('Where alerts are sent.')
param alertEmail string

// send-notification:
@description('The HTTP receiver.')
@secure()
param notificationUrl string

var suffix = uniqueString(resourceGroup().id)
// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var roles = {
  blobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  queueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  queueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  queueDataReader: '19e7f393-937e-4f77-808e-94535e297925'
}

var authentication = 'ClientId=${identity.properties.clientId};Authorization=AAD'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
}

// The queues, the package of the app, and what the Functions host stores. Account keys are disabled.
resource storage 'Microsoft.Storage/storageAccounts@2026-09-01' = {
  name: 'st${suffix}'
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2026-09-01' = {
  parent: storage
  name: 'default'
}

resource messages 'Microsoft.Storage/storageAccounts/queueServices/queues@2026-09-01' = {
  parent: queues
  name: queueName
}

// Rejected messages with their reason, sent by the function. Messages after maxDequeueCount, moved by the Functions host.
resource poison 'Microsoft.Storage/storageAccounts/queueServices/queues@2026-09-01' = {
  parent: queues
  name: '${queueName}-poison'
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-09-01' = {
  parent: storage
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-09-01' = {
  parent: blobs
  name: 'packages'
  properties: { publicAccess: 'None' }
}

// What the Functions host needs for itself: leases, keys, and the package.
// https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
resource ownBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, identity.id, roles.blobDataOwner)
  scope: storage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobDataOwner)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Contributor of this one queue. The documented Reader and Message Processor can't update a message, as the Functions host does
// with one that failed: https://github.com/MicrosoftDocs/azure-docs/issues/120932. The function sends delayed copies, too.
resource receive 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(messages.id, identity.id, roles.queueDataContributor)
  scope: messages
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.queueDataContributor)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Sender, and Reader for the check at start.
resource deadLetter 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [roles.queueDataMessageSender, roles.queueDataReader]: {
    name: guid(poison.id, identity.id, role)
    scope: poison
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: identity.properties.principalId
      principalType: 'ServicePrincipal'
    }
  }
]

module database 'database.bicep' = {
  name: 'database'
  params: {
    name: name
    location: location
    suffix: suffix
    principalId: identity.properties.principalId
    administratorPassword: administratorPassword
    databasePassword: databasePassword
    notificationUrl: notificationUrl
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  params: {
    name: name
    location: location
    storageName: storage.name
    poisonQueueName: poison.name
    principalId: identity.properties.principalId
    serverId: database.outputs.serverId
    email: alertEmail
  }
}

resource plan 'Microsoft.Web/serverfarms@2025-05-01' = {
  name: name
  location: location
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-05-01' = {
  name: '${name}-${suffix}'
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: database.outputs.subnetId
    keyVaultReferenceIdentity: identity.id
    functionAppConfig: {
      runtime: {
        name: 'custom'
        version: '1.0'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: instances
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packages.name}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      // Only the trigger calls the function. The address for deployments stays open, to tokens of Entra ID.
      ipSecurityRestrictionsDefaultAction: 'Deny'
      scmIpSecurityRestrictionsUseMain: false
      http20Enabled: true
      appSettings: [
        { name: 'AzureWebJobsStorage__accountName', value: storage.name }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
        // The connection that function.json names.
        { name: 'Messages__queueServiceUri', value: storage.properties.primaryEndpoints.queue }
        { name: 'Messages__credential', value: 'managedidentity' }
        { name: 'Messages__clientId', value: identity.properties.clientId }
        { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: alerts.outputs.connectionString }
        { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: authentication }
        // Settings of the push host.
        { name: 'PUSH_PLATFORM', value: 'azure-functions' }
        { name: 'QUEUE_URL', value: '${storage.properties.primaryEndpoints.queue}${messages.name}' }
        { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
        { name: 'DEADLINE_SECONDS', value: string(deadlineSeconds) }
        { name: 'CONCURRENCY', value: string(concurrency) }
        { name: 'DATABASE_URL', value: '@Microsoft.KeyVault(SecretUri=${database.outputs.databaseUrl})' }
        // send-notification:
        { name: 'NOTIFICATION_URL', value: '@Microsoft.KeyVault(SecretUri=${database.outputs.notificationUrl})' }
      ]
    }
  }
  // An instance that starts before it may read its secrets would fail.
  dependsOn: [ownBlobs, receive, deadLetter]
}

resource passwords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-05-01' = [
  for protocol in ['ftp', 'scm']: {
    parent: app
    name: protocol
    properties: { allow: false }
  }
]

@description('For `az functionapp deployment source config-zip`.')
output appName string = app.name

@description('For producers.')
output queueUrl string = '${storage.properties.primaryEndpoints.queue}${messages.name}'

@description('For the administrator of PostgreSQL, from inside the network.')
output databaseServer string = database.outputs.serverName
