"""Runs send-notification as a worker on the local stack, and asserts what becomes of its messages. Then starts place-order's worker
with what it needs missing.

    python3 drive.py LOCAL WORKER   the paths of the two programs
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

LOCAL, WORKER = sys.argv[1:3]
SAMPLE = "events/send-notification/valid.json"
PATIENCE = 120


def until(what, probe):
    """Waits until the probe returns something true, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := probe()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.05)
    return found


def get(url):
    """The status and the text at a URL; None if nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None


class Up:
    """`local up --worker send-notification`, and the lines that it prints."""

    def __init__(self):
        command = [LOCAL, "up", "--port", "0", "--worker", "send-notification"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()
        self.endpoint = self.line("The local stack is up: ").rsplit(" ", 1)[1]
        worker = self.line("queue notifications -> worker send-notification, health and metrics: ")
        self.health = worker.split("metrics: ")[1].split("/live")[0]

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def line(self, text, after=0):
        """Waits for a line that contains a text, among those from this number on."""
        return until(repr(text), lambda: next((line for line in self.lines[after:] if text in line), None))

    def local(self, *arguments):
        command = [LOCAL, *arguments, "--endpoint-url", self.endpoint]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def send(self):
        """Sends the sample, and returns the beginning of the message's ID."""
        return self.local("send", "notifications", SAMPLE)[:8]

    def received(self):
        """The requests that arrived at the receiver."""
        _, text = get(f"{self.endpoint}/_receivers/NotificationUrl")
        return json.loads(text)


def last_line(environment, **changed):
    """The text of the last line of a worker that does not start."""
    done = subprocess.run([WORKER], env=environment | changed, capture_output=True, text=True, timeout=PATIENCE)
    line = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, line["level"]) == (1, "ERROR"), done
    return line["message"]


def starts(up):
    """A worker whose destination or table is missing ends with one line that names it, and what to do."""
    environment = dict(line.split("=", 1) for line in up.local("env", "place-order").splitlines())
    queues = environment["NOTIFICATIONS_QUEUE_URL"].rsplit("/", 1)[0]
    environment |= {"HEALTH_ADDRESS": "127.0.0.1:0", "QUEUE_URL": f"{queues}/orders"}
    nowhere = f"{queues}/nowhere"
    for variable in ["NOTIFICATIONS_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"]:
        line = last_line(environment, **{variable: nowhere})
        assert line.startswith(f"environment variable {variable}: queue {nowhere}: "), line
        assert 'create queue "nowhere" in region ' in line, line
    for variable in ["ORDERS_TABLE", "CUSTOMERS_TABLE"]:
        line = last_line(environment, **{variable: "nowhere"})
        assert line.startswith(f"environment variable {variable}: table nowhere does not exist in region "), line
    print("a worker whose destination or table is missing ends with a line that names it")


def main():
    up = Up()
    try:
        until("readiness", lambda: get(f"{up.health}/ready") == (200, "ready\n"))
        first = up.send()
        up.line(f"notifications: 1 message acknowledged ({first})")
        assert len(up.received()) == 1, up.received()
        _, metrics = get(f"{up.health}/metrics")
        assert 'worker_handler_seconds_count{queue="' in metrics, metrics
        print("a worker processes a message of its queue")

        starts(up)

        seen = len(up.lines)
        started = up.line("worker started: process ")
        os.kill(int(started.split("process ")[1].split(",")[0]), signal.SIGKILL)
        up.line("send-notification: worker ended: signal: killed; starts again in 1 s", seen)
        up.line("send-notification: worker started: process ", seen)
        second = up.send()
        up.line(f"notifications: 1 message acknowledged ({second})")
        print("a killed worker is started again")

        up.local("receiver", "NotificationUrl", "--status", "200", "--delay", "3")
        third = up.send()
        until("the request of the message in process", lambda: len(up.received()) == 3)
        assert not any(f"acknowledged ({third})" in line for line in up.lines)
        begun = time.monotonic()
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(PATIENCE) == 0
        until("the last line", lambda: up.lines[-1] == "stopped")
        stopping = next(number for number, line in enumerate(up.lines) if line.startswith("stopping: "))
        up.line(f"notifications: 1 message acknowledged ({third})", stopping)
        up.line("send-notification: worker stopped: exit status 0", stopping)
        print(f"a message in process is finished after Ctrl-C ({time.monotonic() - begun:.1f} s)")
    except BaseException:
        print("\n".join(up.lines), file=sys.stderr)
        raise
    finally:
        # Not killed: its workers would go on.
        up.process.terminate()
        up.process.wait()


main()
