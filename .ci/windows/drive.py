"""Runs send-notification's worker as a service of wine's service control manager, on the local stack, and asserts what becomes
of its messages and what the manager reports.

    python3 drive.py LOCAL WORKER FOLDER   the paths of two programs, and of a folder with bcryptprimitives.dll
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

LOCAL, WORKER, FOLDER = sys.argv[1:4]
WINE, WINESERVER = "/usr/lib/wine/wine64", "/usr/lib/wine/wineserver64"
SERVICE, SAMPLE = "send-notification", "events/send-notification/valid.json"
PREFIX = f"{FOLDER}/prefix"
DRIVE = f"{PREFIX}/drive_c"
LOG, LOG_NAME = f"{DRIVE}/worker/worker.log", "C:\\worker\\worker.log"
VARIABLES = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment"
PATIENCE = 120


def until(what, probe):
    """Waits until the probe returns something true, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := probe()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.05)
    return found


class Stack:
    """`local up` with a queue of its own for the service."""

    def __init__(self):
        self.process = subprocess.Popen([LOCAL, "up", "--port", "0"], stdout=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()
        up = "The local stack is up: "
        line = until("the local stack", lambda: next((line for line in self.lines if up in line), None))
        self.endpoint = line.rsplit(" ", 1)[1]
        self.queue = self.sqs("CreateQueue", QueueName="windows", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def local(self, *arguments):
        command = [LOCAL, *arguments, "--endpoint-url", self.endpoint]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def sqs(self, action, **request):
        headers = {"X-Amz-Target": f"AmazonSQS.{action}", "Content-Type": "application/x-amz-json-1.0"}
        request = urllib.request.Request(self.endpoint, json.dumps(request).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or "{}")

    def send(self):
        with open(SAMPLE) as sample:
            body = json.load(sample)["Records"][0]["body"]
        self.sqs("SendMessage", QueueUrl=self.queue, MessageBody=body)

    def left(self):
        """The messages of the queue, visible and in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs("GetQueueAttributes", QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return [int(found[name]) for name in names]

    def received(self):
        """How many requests arrived at the receiver."""
        with urllib.request.urlopen(f"{self.endpoint}/_receivers/NotificationUrl", timeout=10) as response:
            return len(json.load(response))


def wine(*command, fails=False):
    """Runs a program of Windows: its output. Not by a pipe: services inherit it, and it would not end before they do."""
    with tempfile.TemporaryFile("w+") as output:
        ran = subprocess.run([WINE, *command], env=environment(), stdout=output, stderr=output, timeout=PATIENCE)
        output.seek(0)
        text = output.read()
    assert fails or ran.returncode == 0, (command, ran, text)
    return text


def environment():
    return {"WINEPREFIX": PREFIX, "WINEDEBUG": "-all", "PATH": os.environ["PATH"], "HOME": FOLDER}


class Session:
    """Services live as long as the last program of wine. They begin with the variables of the system at that time."""

    def __init__(self, variables):
        for name, value in variables.items():
            wine("reg", "add", VARIABLES, "/v", name, "/d", value, "/f")
        end_session()
        self.held = subprocess.Popen([WINE, "cmd"], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        until("the service control manager", lambda: "STATE" in wine("sc", "query", SERVICE, fails=True))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.held.stdin.close()
        self.held.wait(PATIENCE)
        end_session()


def end_session():
    subprocess.run([WINESERVER, "-w"], env=environment(), check=True, timeout=PATIENCE)


def status():
    """What the manager knows: the state, the checkpoint, and the two exit codes."""
    text = wine("sc", "query", SERVICE)
    number = lambda name: int(re.search(rf"{name}\s*: (\w+)", text)[1], 0)
    codes = (number("WIN32_EXIT_CODE"), number("SERVICE_EXIT_CODE"))
    return re.search(r"STATE\s*: \d+\s+(\w+)", text)[1], number("CHECKPOINT"), *codes


def log():
    """The lines of the log."""
    if not os.path.exists(LOG):
        return []
    with open(LOG) as file:
        return [json.loads(line) for line in file]


def install():
    wine("wineboot", "-i")
    end_session()
    os.mkdir(f"{DRIVE}/worker")
    shutil.copy(WORKER, f"{DRIVE}/worker/worker.exe")
    shutil.copy(f"{FOLDER}/bcryptprimitives.dll", f"{DRIVE}/windows/system32")
    wine("sc", "create", SERVICE, "binpath=", "C:\\worker\\worker.exe --service", "start=", "demand")
    wine("sc", "failure", SERVICE, "reset=", "86400", "actions=", "restart/5000/restart/30000")


def drains(stack, health):
    """The service processes messages, and finishes the one in process when it is stopped."""
    assert status()[0] == "STOPPED"
    wine("sc", "start", SERVICE)
    until("the running service", lambda: status()[0] == "RUNNING")
    stack.send()
    until("the first message", lambda: stack.received() == 1 and stack.left() == [0, 0])
    with urllib.request.urlopen(f"http://{health}/ready", timeout=10) as response:
        assert response.read() == b"ready\n"
    print("the service starts, is ready, and processes a message of its queue")

    stack.local("receiver", "NotificationUrl", "--status", "200", "--delay", "4")
    stack.send()
    until("the message in process", lambda: stack.received() == 2)
    assert stack.left() == [0, 1], stack.left()
    begun = time.monotonic()
    wine("sc", "stop", SERVICE)
    seen = []
    while not seen or seen[-1][0] != "STOPPED":
        assert time.monotonic() - begun < PATIENCE, seen
        seen.append(status())
    pending = [checkpoint for state, checkpoint, *_ in seen if state == "STOP_PENDING"]
    assert {state for state, *_ in seen} == {"STOP_PENDING", "STOPPED"}, seen
    assert pending == sorted(pending) and pending[0] >= 1 and len(set(pending)) >= 3, pending
    assert seen[-1] == ("STOPPED", 0, 0, 0), seen[-1]
    assert (stack.left(), stack.received()) == ([0, 0], 2)
    messages = [line["message"].split(":")[0] for line in log()]
    assert messages.count("done") == 2 and messages.index("stops") < messages.index("done", messages.index("done") + 1), messages
    steps = sorted(set(pending))
    print(f"a message in process is finished and acknowledged after the stop: STOP_PENDING with checkpoints {steps[0]} to "
          f"{steps[-1]}, then STOPPED with exit code 0 ({time.monotonic() - begun:.1f} s)")


def fails(expected, reason):
    """The service does not start: with this exit code, and this line in the log."""
    before = len(log())
    # The manager may see the end before the start is answered.
    wine("sc", "start", SERVICE, fails=True)
    until("the end", lambda: status()[2] != 0 and status()[0] == "STOPPED")
    assert status() == ("STOPPED", 0, 1066, expected), status()
    lines = [line["message"] for line in log()[before:] if line["level"] == "ERROR"]
    assert (len(lines) == 1 and reason in lines[0]) if reason else lines == [], lines


def main():
    stack = Stack()
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            health = "127.0.0.1:%d" % probe.getsockname()[1]
        variables = dict(line.split("=", 1) for line in stack.local("env", SERVICE).splitlines())
        variables |= {"QUEUE_URL": stack.queue, "HEALTH_ADDRESS": health, "LOG_FILE": LOG_NAME, "LOG_MESSAGES": "true"}
        install()
        with Session(variables):
            drains(stack, health)
        with Session({"QUEUE_URL": stack.queue.replace("windows", "nowhere")}):
            fails(1, "nowhere")
        with Session({"LOG_FILE": "worker.log"}):
            fails(4, None)
        print("a service that can't start sets its exit code: 1 with a line in the log, 4 without a file for it")
    except BaseException:
        print("\n".join([*stack.lines, *map(str, log())]), file=sys.stderr)
        raise
    finally:
        stack.process.terminate()
        stack.process.wait()


main()
