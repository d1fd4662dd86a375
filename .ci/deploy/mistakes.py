"""Checks the checks: python mistakes.py FOLDER TOOLS OUT"""

import pathlib
import sys

from check import CHECKS
from report import prove

UNIT = "systemd/worker@.service"
CONTAINER = "container/Containerfile"
DEPLOYMENT = "kubernetes/deployment.yaml"
SQS = "kubernetes/scale-sqs.yaml"
RABBITMQ = "kubernetes/scale-rabbitmq.yaml"
ECS = "ecs/service.yaml"

# Only the management API knows the messages that a worker holds.
BY_AMQP = ('http\n        excludeUnacknowledged: "false"', 'amqp\n        excludeUnacknowledged: "true"')

MISTAKES = [
    ("systemd-analyze verify", UNIT, "WatchdogSec=", "WatchdogSecs=", "Unknown key 'WatchdogSecs'"),
    ("systemd-analyze verify", UNIT, "Type=notify", "Type=notifi", "Failed to parse service type"),
    ("systemd-analyze verify", UNIT, "/usr/local/bin/%i-worker", "/usr/local/bin/%i", "place-order is not executable"),
    ("systemd-analyze verify", UNIT, "KillMode=mixed", "KillMode=main", "Failed to parse kill mode"),
    ("systemd-analyze security", UNIT, "DynamicUser=yes", "DynamicUser=no", "Overall exposure level"),
    ("systemd-analyze security", UNIT, "SystemCallFilter=@system-service\n", "", "Overall exposure level"),
    ("hadolint", CONTAINER, "USER 65532:65532", "USER root", "DL3002"),
    ("hadolint", CONTAINER, 'ENTRYPOINT ["/worker"]', "ENTRYPOINT /worker", "DL3025"),
    ("hadolint", CONTAINER, "WORKDIR /source", "WORKDIR source", "DL3000"),
    ("hadolint", CONTAINER, "COPY --from=build", "COPY --from=builder", "DL3022"),
    ("kubernetes-validate", DEPLOYMENT, "terminationGracePeriodSeconds:", "terminationGraceSeconds:", "terminationGraceSeconds"),
    ("kubernetes-validate", DEPLOYMENT, "containerPort: 8080", 'containerPort: "8080"', "8080"),
    ("kubernetes-validate", DEPLOYMENT, "apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n", "v1beta1"),
    ("KEDA's schemas", SQS, "pollingInterval:", "pollInterval:", "/spec/pollInterval is unknown"),
    ("KEDA's schemas", SQS, 'queueLength: "1000"', "queueLength: 1000", "/queueLength type"),
    ("KEDA's schemas", SQS, "identityOwner: keda", "identityOwner: pod", "identityOwner enum"),
    ("KEDA's schemas", SQS, "behavior: currentReplicasIfHigher", "behavior: highest", "behavior enum"),
    ("KEDA's schemas", RABBITMQ, "- parameter: host\n", "- param: host\n", '"missingProperty":"parameter"'),
    ("KEDA's schemas", RABBITMQ, "kind: ScaledObject", "kind: ScaleObject", "no such kind"),
    ("KEDA's triggers", SQS, "activationQueueLength:", "activateQueueLength:", "activateQueueLength is no key"),
    ("KEDA's triggers", SQS, "scaleOnInFlight:", "scaleOnInflight:", "scaleOnInflight is no key"),
    ("KEDA's triggers", SQS, 'scaleOnInFlight: "true"', 'scaleOnInFlight: "yes"', "scaleOnInFlight is 'yes'"),
    ("KEDA's triggers", SQS, "        awsRegion: eu-central-1\n", "", "awsRegion is missing"),
    ("KEDA's triggers", SQS, "type: aws-sqs-queue", "type: aws-sqs", "trigger aws-sqs is not"),
    ("KEDA's triggers", SQS, "    name: place-order-worker\n  #", "    name: place-order\n  #", "no Deployment place-order"),
    ("KEDA's triggers", RABBITMQ, "        queueName: orders", "        queue: orders", "queue is no key"),
    ("KEDA's triggers", RABBITMQ, "mode: QueueLength", "mode: queueLength", "mode is 'queueLength'"),
    ("KEDA's triggers", RABBITMQ, *BY_AMQP, "needs 'http'"),
    ("KEDA's triggers", RABBITMQ, "vhostName: /", "host: amqp://user:password@rabbitmq.example.com/", "host is no key"),
    ("KEDA's triggers", RABBITMQ, "- parameter: username", "- parameter: user", "user is no parameter"),
    ("cfn-lint", ECS, "StopTimeout:", "StopTimeOut:", "StopTimeOut"),
    ("cfn-lint", ECS, "!GetAtt TaskRole.Arn", "!GetAtt TasksRole.Arn", "TasksRole"),
    ("cfn-lint", ECS, "PolicyType: TargetTrackingScaling", "PolicyType: TargetTracking", "TargetTracking"),
    ("cfn-lint", ECS, 'Memory: "512"', 'Memory: "256"', "256"),
    ("stop times", UNIT, "TimeoutStopSec=45", "TimeoutStopSec=40", "systemd: stops after 40 s"),
    ("stop times", DEPLOYMENT, 'DRAIN_SECONDS: "20"', 'DRAIN_SECONDS: "60"', "kubernetes: stops after 45 s"),
    ("stop times", ECS, "StopTimeout: 120", "StopTimeout: 30", "ecs: stops after 30 s"),
    ("pod security", DEPLOYMENT, "runAsNonRoot: true", "runAsNonRoot: false", "runs as root"),
    ("pod security", DEPLOYMENT, "drop: [ALL]", "drop: [NET_RAW]", "keeps capabilities"),
    ("pod security", DEPLOYMENT, "allowPrivilegeEscalation: false", "privileged: true", "privilege escalation"),
    ("scaling metrics", ECS, "MessagesVisible\n", "MessageVisible\n", "no metric AWS/SQS"),
    ("scaling metrics", ECS, "Name: ClusterName", "Name: Cluster", "no metric ECS/ContainerInsights"),
    ("scaling metrics", ECS, "visible / tasks", "visible / running", "the ID running"),
]

prove(CHECKS, MISTAKES, *(pathlib.Path(argument).resolve() for argument in sys.argv[1:]))
