"""Runs place-order, send-notification and the HTTP application on RabbitMQ and PostgreSQL by `local up --on-premises`, and enqueues an
order by the commands that it prints.

    python3 on_premises.py LOCAL WORKER     the paths of the programs: local, and the worker of place-order
"""

import json
import os
import re
import subprocess
import sys
import threading
import time

LOCAL, WORKER = sys.argv[1:3]
PATIENCE = 120


def until(what, probe):
    """Waits until the probe returns something true, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := probe()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.1)
    return found


class Program:
    """A program and the lines that it prints."""

    def __init__(self, *command, **environment):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def line(self, text):
        return until(repr(text), lambda: next((line for line in self.lines if text in line), None))

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


def curl(command):
    """What a printed command writes: the answer's head and body; the empty text if there is none."""
    done = subprocess.run(["bash", "-c", f"{command} --silent"], capture_output=True, text=True)
    return done.stdout.replace("\r", "")


def main():
    up = Program(LOCAL, "up", "--port", "0", "--on-premises", "--worker", "place-order", "--worker", "send-notification")
    try:
        up.line("Everything is up on RabbitMQ and PostgreSQL")
        up.line("Logs and messages are below")
        post, show = re.findall(r"  (curl (?:.*\\\n)*.*)", "\n".join(up.lines))
        answer = until("the answer to an order", lambda: re.search(r"HTTP/1.1 202 [^{]*location: /orders/(\S+)", curl(post)))
        location = answer[1]
        until("the order", lambda: '"done"' in curl(show.replace("LOCATION", location)))
        print("a printed command places an order, another one shows that it is done")
        for worker in ["place-order", "send-notification"]:
            line = up.line(f"{worker}: INFO done (")
            assert re.search(r"done \([0-9a-f]{8}\) milliseconds=\d+ ", line), line
        receiver = up.line("receiver NotificationUrl at ").rsplit(" ", 1)[1]
        sent = json.loads(curl(f"curl {receiver}/_receivers/NotificationUrl"))
        assert len(sent) == 1, sent
        print("each message has a line, and the confirmation arrived")

        exports = dict(re.findall(r"export (\w+)='(.*)'", "\n".join(up.lines)))
        exports["QUEUE_URL"] = exports["ORDERS_QUEUE_URL"]
        worker = Program(WORKER, HEALTH_ADDRESS="127.0.0.1:0", NOTIFICATIONS_QUEUE_URL="amqp:nowhere", **exports)
        line = json.loads(worker.line("waiting for "))["message"]
        assert line.startswith("waiting for environment variable NOTIFICATIONS_QUEUE_URL: queue amqp:nowhere: "), line
        health = json.loads(worker.line("health and metrics are at "))["message"].split(" ")[5].split("/live")[0]
        assert curl(f"curl {health}/live") == "live\n"
        assert curl(f"curl {health}/ready") == f"not ready: {line}\n"
        assert worker.stop() == 0
        print("a worker is live while it waits for a destination, and states that it is not ready")

        assert up.stop() == 0
        until("the last line", lambda: up.lines[-1] == "stopped")
        ends = [line.split(" ", 1)[1] for line in up.lines if " stopped: exit status " in line]
        assert ends[0] == "http: application stopped: exit status 0", ends
        assert sorted(ends[1:]) == [f"{name}: worker stopped: exit status 0" for name in ["place-order", "send-notification"]], ends
        print("everything stops, the application first")
    except BaseException:
        print("\n".join(up.lines), file=sys.stderr)
        raise
    finally:
        up.stop()


main()
