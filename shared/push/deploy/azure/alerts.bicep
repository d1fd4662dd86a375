// The log and the alerts.
//
// Storage has no metric of one queue, and none of the age of messages, so dead letters are counted in the log of Storage:
// https://learn.microsoft.com/azure/storage/queues/monitor-queue-storage-reference

@description('Name of the function.')
param name string
param location string
param storageName string
param poisonQueueName string

@description('The identity of the function, which writes the log.')
param principalId string

@description('The PostgreSQL server.')
param serverId string

@description('Where alerts are sent.')
param email string

@description('Messages in all queues of the account, dead letters included.')
param backlog int = 10000

@description('Connections to PostgreSQL; of 844.')
param connections int = 820

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/monitor
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var put = 'StorageQueueLogs | where OperationName == "PutMessage" and StatusText == "Success"'

resource storage 'Microsoft.Storage/storageAccounts@2026-09-01' existing = {
  name: storageName
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2026-09-01' existing = {
  parent: storage
  name: 'default'
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: name
  location: location
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 30
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, principalId, metricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  properties: {
    enabled: true
    groupShortName: 'consumer'
    emailReceivers: [{ name: 'operators', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource writes 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'writes'
  scope: queues
  properties: {
    workspaceId: workspace.id
    logs: [{ category: 'StorageWrite', enabled: true }]
  }
}

resource deadLetters 'Microsoft.Insights/scheduledQueryRules@2022-08-01-preview' = {
  name: '${name}-dead-letters'
  location: location
  properties: {
    displayName: '${name}: messages are dead-lettered'
    severity: 1
    enabled: true
    scopes: [workspace.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      allOf: [
        {
          query: '${put} and Uri contains "/${poisonQueueName}/"'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    // The table exists after the first write.
    skipQueryValidation: true
    actions: { actionGroups: [operators.id] }
  }
}

// One alert for each metric: resource, metric, aggregation, threshold, window.
var metrics = [
  {
    name: 'failed-invocations'
    scope: insights.id
    namespace: 'microsoft.insights/components'
    metric: 'requests/failed'
    aggregation: 'Count'
    threshold: 0
    window: 'PT5M'
  }
  {
    name: 'backlog'
    scope: queues.id
    namespace: 'Microsoft.Storage/storageAccounts/queueServices'
    metric: 'QueueMessageCount'
    aggregation: 'Average'
    threshold: backlog
    window: 'PT1H'
  }
  {
    name: 'connections'
    scope: serverId
    namespace: 'Microsoft.DBforPostgreSQL/flexibleServers'
    metric: 'active_connections'
    aggregation: 'Maximum'
    threshold: connections
    window: 'PT5M'
  }
  {
    name: 'database'
    scope: serverId
    namespace: 'Microsoft.DBforPostgreSQL/flexibleServers'
    metric: 'storage_percent'
    aggregation: 'Maximum'
    threshold: 80
    window: 'PT5M'
  }
]

resource alerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for it in metrics: {
    name: '${name}-${it.name}'
    location: 'global'
    properties: {
      severity: 2
      enabled: true
      scopes: [it.scope]
      evaluationFrequency: 'PT5M'
      windowSize: it.window
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: it.name
            criterionType: 'StaticThresholdCriterion'
            metricNamespace: it.namespace
            metricName: it.metric
            timeAggregation: it.aggregation
            operator: 'GreaterThan'
            threshold: it.threshold
          }
        ]
      }
      actions: [{ actionGroupId: operators.id }]
    }
  }
]

@description('Where the Functions host sends its log.')
output connectionString string = insights.properties.ConnectionString
