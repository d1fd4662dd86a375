"""Rules of our own for Azure, for what no schema knows: the files fit one another, the host and the limits of the platform."""

import json
import re

import bicep
from host import SPARE_CONNECTIONS, environment, has_program, number

# For users: https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-limits
CONNECTIONS = {"Standard_B1ms": 35, "Standard_B2s": 414, "Standard_D2ds_v5": 844, "Standard_D4ds_v5": 1703}

# Settings that the platform reads, not the function.
OF_AZURE = re.compile(
    r"(AzureWebJobsStorage|Messages)__(accountName|queueServiceUri|credential|clientId)|APPLICATIONINSIGHTS_\w+"
)
# https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
NOT_ON_FLEX = {"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTSHARE"}

METRICS = {
    # https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/metrics-index: aggregations
    ("microsoft.insights/components", "requests/failed"): {"Count"},
    ("Microsoft.Storage/storageAccounts/queueServices", "QueueMessageCount"): {"Average"},
    ("Microsoft.DBforPostgreSQL/flexibleServers", "active_connections"): {"Average", "Maximum", "Minimum"},
    ("Microsoft.DBforPostgreSQL/flexibleServers", "storage_percent"): {"Average", "Maximum", "Minimum"},
}


class Azure:
    def __init__(self, folder):
        self.files = {it.name: bicep.File(it) for it in sorted(folder.glob("azure/*.bicep"))}
        main = self.files["main.bicep"]
        self.parameters = main.parameters
        self.app = main.resources["app"].body["properties"]
        self.host = json.loads((folder / "azure/app/host.json").read_text())
        self.queues = self.host["extensions"]["queues"]
        [self.trigger] = sorted(folder.glob("azure/app/*/function.json"))
        [self.binding] = json.loads(self.trigger.read_text())["bindings"]
        self.settings = {it["name"]: it["value"] for it in self.app["siteConfig"]["appSettings"]}

    def all_resources(self):
        return [it for file in self.files.values() for it in file.resources.values()]


def settings(folder, _tools):
    azure = Azure(folder)
    function = azure.parameters["name"]
    own = {name: it for name, it in azure.settings.items() if not OF_AZURE.fullmatch(name)}
    yield from (f"{name} is not allowed on Flex Consumption" for name in sorted(NOT_ON_FLEX & own.keys()))
    yield from environment(own, function, "azure-functions")
    yield from has_program(function)
    program = azure.host["customHandler"]["description"]["defaultExecutablePath"]
    if program != f"{function}-push":
        yield f"host.json starts {program}, not {function}-push"
    queue = azure.parameters["queueName"]
    if azure.binding["queueName"] != queue:
        yield f"function.json has the queue {azure.binding['queueName']}, main.bicep has {queue}"
    for name in ["queueServiceUri", "credential", "clientId"]:
        if f"{azure.binding['connection']}__{name}" not in azure.settings:
            yield f"the connection {azure.binding['connection']} of function.json has no {name}"
    encoding = re.search(r"[?&]encoding=(\w+)", str(own["QUEUE_URL"]))
    if azure.queues.get("messageEncoding", "base64") != (encoding[1] if encoding else "base64"):
        yield f"messageEncoding is {azure.queues['messageEncoding']}, but QUEUE_URL states another encoding"
    if str(azure.files["main.bicep"].resources["poison"].body["name"]) != "'${queueName}-poison'":
        yield "the queue of dead letters is not the queue's name with -poison"


def times(folder, _tools):
    azure = Azure(folder)
    seconds = lambda text: sum(int(part) * unit for part, unit in zip(text.split(":"), (3600, 60, 1)))
    timeout, deadline = seconds(azure.host["functionTimeout"]), azure.parameters["deadlineSeconds"]
    if timeout != deadline:
        yield f"functionTimeout is {timeout} s, DEADLINE_SECONDS is {deadline}"
    lease = number(r"const LEASE: Duration = Duration::from_secs\((\d+)\)", "push.rs")
    hidden = seconds(azure.queues["visibilityTimeout"])
    if hidden < lease:
        yield f"visibilityTimeout is {hidden} s: a message is retried while the lease of {lease} s lasts"
    concurrency = azure.queues["batchSize"] + azure.queues["newBatchThreshold"]
    if concurrency != azure.parameters["concurrency"]:
        yield f"batchSize + newBatchThreshold is {concurrency}, CONCURRENCY is {azure.parameters['concurrency']}"
    [server] = [it for it in azure.all_resources() if it.kind == "Microsoft.DBforPostgreSQL/flexibleServers"]
    instances, has = azure.parameters["instances"], CONNECTIONS[server.body["sku"]["name"]]
    needed = instances * concurrency + SPARE_CONNECTIONS
    if needed > has:
        yield f"{instances} instances need {needed} connections with {SPARE_CONNECTIONS} to spare, the server has {has}"


def access(folder, _tools):
    """Queue roles are for one queue, secrets for one secret, and nothing has a key."""
    azure = Azure(folder)
    for file in azure.files.values():
        for name, it in file.resources.items():
            if it.kind != "Microsoft.Authorization/roleAssignments":
                continue
            scope = file.resources[str(it.body["scope"])].kind
            role = str(it.body["properties"]["roleDefinitionId"])
            wide = scope == "Microsoft.Storage/storageAccounts" and "blobDataOwner" not in role
            if wide or scope == "Microsoft.KeyVault/vaults":
                yield f"{file.name}: {name} is for all of {scope}"
    storage = azure.files["main.bicep"].resources["storage"].body["properties"]
    if storage.get("allowSharedKeyAccess") is not False:
        yield "the storage account has keys"
    keys = [name for name in azure.settings if name in ("AzureWebJobsStorage", "AZURE_STORAGE_CONNECTION_STRING")]
    yield from (f"{name} holds a key" for name in keys)
    for name in ["DATABASE_URL", "NOTIFICATION_URL"]:
        if "@Microsoft.KeyVault(" not in str(azure.settings[name]):
            yield f"{name} is not in the vault"


def alerts(folder, _tools):
    alerts = Azure(folder).files["alerts.bicep"]
    metrics = alerts.variables["metrics"]
    for it in metrics:
        known = METRICS.get((it["namespace"], it["metric"]))
        if known is None:
            yield f"no metric {it['metric']} of {it['namespace']}"
        elif it["aggregation"] not in known:
            yield f"{it['metric']} has no aggregation {it['aggregation']}"
    [condition] = alerts.resources["deadLetters"].body["properties"]["criteria"]["allOf"]
    if "/${poisonQueueName}/" not in str(condition["query"]) or condition["threshold"] != 0:
        yield "no alert on the first dead letter"
    if not any(it["metric"] == "requests/failed" for it in metrics):
        yield "no alert on failed invocations"
