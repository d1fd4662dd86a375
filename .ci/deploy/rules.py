"""Rules of our own, for what no linter knows. Each is a function from the folder to the list of what it finds."""

import re

import yaml

# A drain takes as long as handlers may continue, or as a receive from SQS that has begun: up to 28 seconds after a network failure.
# Then there are 10 seconds for the last verdicts, 3 to export traces, and 2 to spare.
RECEIVE_SECONDS = 28
MARGIN_SECONDS = 15

# KEDA ignores unknown keys of a trigger's metadata, so a misspelt key has no effect and no error. Left out on purpose: deprecated
# keys, `host` (its password would be in the file) and `unsafeSsl`.
BOOLEAN = r"true|false"
COUNT = r"[0-9]+"
ANY = r".+"
TRIGGERS = {
    # https://keda.sh/docs/2.20/scalers/aws-sqs/
    "aws-sqs-queue": {
        "keys": {
            "queueURL": r"https://\S+/[0-9]{12}/[A-Za-z0-9_.-]+",
            "queueURLFromEnv": ANY,
            "queueLength": COUNT,
            "activationQueueLength": COUNT,
            "awsRegion": r"[a-z]+(-[a-z]+)+-[0-9]",
            "awsEndpoint": ANY,
            "scaleOnInFlight": BOOLEAN,
            "scaleOnDelayed": BOOLEAN,
        },
        # What KEDA requires, and what our files state although it has a default.
        "required": {"awsRegion", "queueLength", "scaleOnInFlight"},
        "parameters": {"awsRoleArn", "awsAccessKeyID", "awsSecretAccessKey", "awsSessionToken", "awsRegion"},
    },
    # https://keda.sh/docs/2.20/scalers/rabbitmq-queue/
    "rabbitmq": {
        "keys": {
            "hostFromEnv": ANY,
            "usernameFromEnv": ANY,
            "passwordFromEnv": ANY,
            "queueName": ANY,
            "vhostName": ANY,
            "mode": r"QueueLength|MessageRate|DeliverGetRate|PublishedToDeliveredRatio|ExpectedQueueConsumptionTime",
            "value": r"[0-9]+(\.[0-9]+)?",
            "activationValue": r"[0-9]+(\.[0-9]+)?",
            "protocol": r"http|amqp|auto",
            "useRegex": BOOLEAN,
            "pageSize": COUNT,
            "operation": r"sum|max|avg",
            "timeout": COUNT,
            "excludeUnacknowledged": BOOLEAN,
        },
        "required": {"queueName", "mode", "value", "protocol"},
        "parameters": {"host", "username", "password", "vhostName", "protocol", "tls", "ca", "cert", "key", "keyPassword"},
    },
}

# Name, and the dimensions without which CloudWatch has no data points.
METRICS = {
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible"): {"QueueName"},
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
    ("ECS/ContainerInsights", "RunningTaskCount"): {"ClusterName", "ServiceName"},
}


class Template(yaml.SafeLoader):
    """Reads CloudFormation's short functions as their argument."""


def argument(loader, _suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else loader.construct_mapping(node)


Template.add_multi_constructor("!", argument)


def objects(folder, pattern):
    return [it for file in sorted(folder.glob(f"kubernetes/{pattern}")) for it in yaml.safe_load_all(file.read_text())]


def of_kind(kind, among):
    return {it["metadata"]["name"]: it for it in among if it["kind"] == kind}


def template(folder):
    return yaml.load((folder / "ecs/service.yaml").read_text(), Template)


def keda_triggers(folder):
    """Every key and value of a trigger is one that KEDA reads, and every reference has its object."""
    deployments = of_kind("Deployment", objects(folder, "deployment.yaml"))
    for file in sorted(folder.glob("kubernetes/scale-*.yaml")):
        among = objects(folder, file.name)
        logins = of_kind("TriggerAuthentication", among)
        for scaled in of_kind("ScaledObject", among).values():
            target = scaled["spec"]["scaleTargetRef"]["name"]
            if target not in deployments:
                yield f"{file.name}: no Deployment {target}"
            for trigger in scaled["spec"]["triggers"]:
                for finding in of_trigger(trigger, logins):
                    yield f"{file.name}: {finding}"


def of_trigger(trigger, logins):
    known = TRIGGERS.get(trigger["type"])
    if known is None:
        yield f"trigger {trigger['type']} is not in the list"
        return
    metadata = trigger["metadata"]
    for key, value in metadata.items():
        pattern = known["keys"].get(key)
        if pattern is None:
            yield f"{key} is no key of {trigger['type']}"
        elif not re.fullmatch(pattern, str(value)):
            yield f"{key} is {value!r}, not {pattern}"
    yield from (f"{key} is missing" for key in sorted(known["required"] - metadata.keys()))
    # https://keda.sh/docs/2.20/scalers/rabbitmq-queue/, notes: these need the management API.
    by_http = metadata.get("excludeUnacknowledged") == "true" or metadata.get("mode", "QueueLength") != "QueueLength"
    if by_http and metadata.get("protocol") != "http":
        yield f"protocol is {metadata.get('protocol')!r}, but mode or excludeUnacknowledged needs 'http'"
    login = logins.get(trigger["authenticationRef"]["name"])
    if login is None:
        yield f"no TriggerAuthentication {trigger['authenticationRef']['name']}"
        return
    given = {secret["parameter"] for secret in login["spec"].get("secretTargetRef", [])}
    yield from (f"{name} is no parameter of {trigger['type']}" for name in sorted(given - known["parameters"]))


def stop_times(folder):
    """Each host waits longer for the end of a worker than the worker drains."""
    unit = (folder / "systemd/worker@.service").read_text()
    core = objects(folder, "deployment.yaml")
    ecs = template(folder)
    [deployment] = of_kind("Deployment", core).values()
    [settings] = of_kind("ConfigMap", core).values()
    [container] = ecs["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    pairs = {
        "systemd": (re.search(r"DRAIN_SECONDS=(\d+)", unit)[1], re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]),
        "kubernetes": (settings["data"]["DRAIN_SECONDS"], deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]),
        "ecs": (ecs["Parameters"]["DrainSeconds"]["MaxValue"], container["StopTimeout"]),
    }
    for host, (drain, stop) in pairs.items():
        if int(stop) < max(int(drain), RECEIVE_SECONDS) + MARGIN_SECONDS:
            yield f"{host}: stops after {stop} s, drains for {drain} s"
    if int(container["StopTimeout"]) > 120:
        yield "ecs: Fargate allows a StopTimeout of 120 s"


def pod_security(folder):
    """The profile `restricted`: https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    [deployment] = of_kind("Deployment", objects(folder, "deployment.yaml")).values()
    pod = deployment["spec"]["template"]["spec"]
    of_pod = pod.get("securityContext", {})
    if not of_pod.get("runAsNonRoot") or of_pod.get("runAsUser", 0) == 0:
        yield "runs as root"
    if of_pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    for container in pod["containers"]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']}: allows privilege escalation"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{container['name']}: keeps capabilities"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']}: writable root file system"


def scaling_metrics(folder):
    """The metrics of the ECS service exist, and its expression refers to them: CloudFormation accepts any name."""
    policy = template(folder)["Resources"]["ScalingPolicy"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
    queries = policy["CustomizedMetricSpecification"]["Metrics"]
    for query in queries:
        if "MetricStat" in query:
            metric = query["MetricStat"]["Metric"]
            dimensions = {it["Name"] for it in metric["Dimensions"]}
            if METRICS.get((metric["Namespace"], metric["MetricName"])) != dimensions:
                yield f"no metric {metric['Namespace']} {metric['MetricName']} of {', '.join(sorted(dimensions))}"
        else:
            unknown = set(re.findall(r"[a-z]\w*", query["Expression"])) - {it["Id"] for it in queries}
            yield from (f"no metric with the ID {name}" for name in sorted(unknown))
    if [it["ReturnData"] for it in queries].count(True) != 1:
        yield "exactly one metric must be returned"
