"""Runs place-order and send-notification on RabbitMQ and PostgreSQL by `local up --on-premises`, and enqueues an order by the
HTTP application.

    python3 on_premises.py LOCAL HTTP       the paths of the two programs
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request

LOCAL, HTTP = sys.argv[1:3]
PATIENCE = 120
ORDER = {"id": "o-1", "customer": "eve@example.com", "items": [{"sku": "tea", "quantity": 2, "price": 350}], "amount": 700}
CALLER = {"Authorization": "Bearer token-of-ada", "Idempotency-Key": "o-1", "Content-Type": "application/json"}


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
        environment = os.environ | environment
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
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


def request(url, body=None):
    """The status, the location and the body of an answer; None if there is none."""
    try:
        data = body and json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, CALLER), timeout=10) as response:
            return response.status, response.headers["Location"], response.read().decode()
    except OSError as error:
        print(error, file=sys.stderr)
        return None


def main():
    up = Program(LOCAL, "up", "--port", "0", "--on-premises", "--worker", "place-order", "--worker", "send-notification")
    programs = [up]
    try:
        up.line("Workers are up on RabbitMQ and PostgreSQL")
        up.line("Logs are below")
        exports = dict(line.strip().removeprefix("export ").split("=", 1) for line in up.lines if "export " in line)
        exports = {name: value.strip("'") for name, value in exports.items()}
        app = Program(HTTP, LISTEN="127.0.0.1:0", **exports)
        programs.append(app)
        base = app.line("listening at http://").split("listening at ")[1].split('"')[0]
        status, location, _ = until("the answer to an order", lambda: request(f"{base}/orders", ORDER))
        assert status == 202, status
        until("the order", lambda: '"done"' in (request(f"{base}{location}") or ("", "", ""))[2].replace(" ", ""))
        print("an order is enqueued by HTTP, and done")
        receiver = next(line for line in up.lines if "receiver NotificationUrl at " in line).rsplit(" ", 1)[1]
        until("the notification", lambda: len(json.loads(request(f"{receiver}/_receivers/NotificationUrl")[2])) == 1)
        print("its confirmation arrived")
        assert app.stop() == 0 and up.stop() == 0
        until("the last line", lambda: up.lines[-1] == "stopped")
        print("everything stops")
    except BaseException:
        for program in programs:
            print("\n".join(program.lines), file=sys.stderr)
        raise
    finally:
        for program in reversed(programs):
            program.stop()


main()
