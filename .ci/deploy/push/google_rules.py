"""Rules of our own for Google, for what no schema knows: the files fit one another, the host and the limits of the platform."""

import re

import terraform
from host import SPARE_CONNECTIONS, environment, has_program, number

# Cloud Run ends a process 10 seconds after SIGTERM. After DRAIN_SECONDS a cancelled message and the last answers take these.
CLOUD_RUN_STOP_SECONDS = 10
AFTER_DRAIN_SECONDS = (
    number(r"const SETTLE: Duration = Duration::from_secs\((\d+)\)", "server.rs")
    + number(r"const LAST_ANSWERS: Duration = Duration::from_millis\((\d+)\)", "server.rs") / 1000
)

METRICS = {
    # https://cloud.google.com/monitoring/api/metrics_gcp: aligners that fit the kind of value
    ("cloud_tasks_queue", "cloudtasks.googleapis.com/queue/depth"): {"ALIGN_MAX", "ALIGN_MEAN"},
    ("cloud_tasks_queue", "cloudtasks.googleapis.com/queue/task_attempt_delays"): {"ALIGN_PERCENTILE_99"},
    ("cloud_run_revision", "run.googleapis.com/request_count"): {"ALIGN_RATE"},
    ("cloudsql_database", "cloudsql.googleapis.com/database/postgresql/num_backends"): {"ALIGN_MAX", "ALIGN_MEAN"},
}


class Google:
    def __init__(self, folder, tools):
        self.found = terraform.read(folder / "google", tools)
        self.locals = {name: it for block in self.found["locals"] for name, it in block.items()}
        self.variables = {name: block[0].get("default") for name, block in self.found["variable"].items()}
        self.queues = self.found["resource"]["google_cloud_tasks_queue"]
        [self.service] = self.found["resource"]["google_cloud_run_v2_service"]["function"]
        [self.template] = self.service["template"]
        [container] = self.template["containers"]
        self.settings = {it["name"]: it.get("value", it.get("value_source")) for it in container["env"]}

    def number(self, found):
        """The number that an expression of numbers and local values results in, with or without a unit."""
        known = re.sub(r"local\.(\w+)", lambda it: str(self.locals[it[1]]), str(found))
        known = re.sub(r"\$\{(?:tostring\()?([\d.\s*+]+)\)?\}", lambda it: str(eval(it[1])), known)
        return int(float(re.fullmatch(r"(-?[\d.]+)s?", known)[1]))


def settings(folder, tools):
    google = Google(folder, tools)
    function = google.variables["name"]
    yield from environment(google.settings, function, "cloud-tasks")
    yield from has_program(function)
    if google.settings.get("AUTHENTICATED_BY_PLATFORM") != "true":
        yield "the function does not know its callers"
    for name, queue in [("QUEUE_URL", "messages"), ("DEAD_LETTER_QUEUE_URL", "dead_letters")]:
        url = google.settings.get(name, "")
        if url != "${local.tasks}/${google_cloud_tasks_queue." + queue + ".id}?${local.parameters}":
            yield f"{name} is {url!r}"
    parts = set(re.findall(r"(?:^|&)(\w+)=", google.locals["parameters"]))
    yield from (f"the URL of a queue has no {it}" for it in sorted({"target", "account", "deadline"} - parts))


def times(folder, tools):
    google = Google(folder, tools)
    deadline = google.number(google.settings["DEADLINE_SECONDS"])
    dispatch = google.number("${" + re.search(r"deadline=\$\{(.+?)\}", google.locals["parameters"])[1] + "}")
    if dispatch != deadline or not 15 <= deadline <= 1800:
        yield f"the dispatch deadline is {dispatch} s, DEADLINE_SECONDS is {deadline}"
    timeout = google.number(google.template["timeout"])
    if not deadline < timeout <= 3600:
        yield f"Cloud Run ends a request after {timeout} s, DEADLINE_SECONDS is {deadline}"
    drain = google.number(google.settings["DRAIN_SECONDS"])
    if drain + AFTER_DRAIN_SECONDS > CLOUD_RUN_STOP_SECONDS:
        yield f"DRAIN_SECONDS is {drain}: with {AFTER_DRAIN_SECONDS} more it is above the {CLOUD_RUN_STOP_SECONDS} s of Cloud Run"


def scale(folder, tools):
    google = Google(folder, tools)
    concurrency = google.number(google.settings["CONCURRENCY"])
    requests = google.number(google.template["max_instance_request_concurrency"])
    if requests != concurrency:
        yield f"max_instance_request_concurrency is {requests}, CONCURRENCY is {concurrency}"
    [scaling] = google.template["scaling"]
    instances = google.number(scaling["max_instance_count"])
    [rates] = google.queues["messages"][0]["rate_limits"]
    dispatches = google.number(rates["max_concurrent_dispatches"])
    if dispatches > instances * concurrency:
        yield f"max_concurrent_dispatches is {dispatches}, but {instances} instances take {instances * concurrency}"
    flags = google.found["resource"]["google_sql_database_instance"]["ledger"][0]["settings"][0]["database_flags"]
    [has] = [google.number(it["value"]) for it in flags if it["name"] == "max_connections"]
    needed = 2 * instances * concurrency + SPARE_CONNECTIONS
    if needed > has:
        yield f"two revisions need {needed} connections with {SPARE_CONNECTIONS} to spare, the server has {has}"
    # https://cloud.google.com/sql/docs/postgres/connect-run#connection-limits
    if concurrency > 100:
        yield f"one instance needs {concurrency} connections, Cloud Run allows 100"


def retries(folder, tools):
    google = Google(folder, tools)
    for name, [queue] in google.queues.items():
        [retry] = queue["retry_config"]
        if retry.get("max_attempts") != -1 or retry.get("max_retry_duration") != "0s":
            yield f"{name}: tasks are deleted after some attempts"
    if google.queues["dead_letters"][0].get("desired_state") != "PAUSED":
        yield "dead letters are dispatched: the queue is not paused"


def access(folder, tools):
    google = Google(folder, tools)
    of_queue = google.found["resource"]["google_cloud_tasks_queue_iam_member"]["enqueue"][0]
    for queue in google.queues:
        if not any(queue in it["queue"] and "function" in it["member"] for it in of_queue["for_each"].values()):
            yield f"the function may not create tasks in {queue}"
    roles = [(kind, body["role"]) for kind, _, body, _ in terraform.resources(google.found) if "role" in body]
    expected = {
        "google_cloud_run_v2_service_iam_member": "roles/run.invoker",
        "google_cloud_tasks_queue_iam_member": "roles/cloudtasks.enqueuer",
        "google_service_account_iam_member": "roles/iam.serviceAccountUser",
        "google_secret_manager_secret_iam_member": "roles/secretmanager.secretAccessor",
        "google_project_iam_member": "roles/cloudsql.client",
    }
    yield from (f"{role} by {kind}" for kind, role in roles if expected.get(kind) != role)
    yield from (f"nobody has {role}" for role in sorted(set(expected.values()) - {role for _, role in roles}))
    for _, name, body, _ in terraform.resources(google.found):
        if body.get("role") == "roles/cloudsql.client" and "condition" not in body:
            yield f"{name} is for all servers of the project"
        if any("allUsers" in it or "allAuthenticatedUsers" in it for it in terraform.strings(body)):
            yield f"{name}: anybody may"
    for name in ["DATABASE_URL", "NOTIFICATION_URL"]:
        if not isinstance(google.settings[name], list):
            yield f"{name} is not a secret"


def alerts(folder, tools):
    google = Google(folder, tools)
    for name, it in google.locals["alerts"].items():
        text = it["filter"]
        while "${local." in text:
            text = re.sub(r"\$\{local\.(\w+)\}", lambda match: str(google.locals[match[1]]), text)
        kind, metric = (re.search(rf'{what}\.type = \\?"([^"\\]+)', text)[1] for what in ("resource", "metric"))
        known = METRICS.get((kind, metric))
        if known is None:
            yield f"{name}: no metric {metric} of {kind}"
        elif it["aligner"] not in known:
            yield f"{name}: {it['aligner']} does not fit {metric}"
    letters = google.locals["alerts"].get("dead_letters", {})
    if letters.get("threshold") != 0 or "of_letters" not in letters.get("filter", ""):
        yield "no alert on the first dead letter"
