"""Checks the binaries of both builds, and invokes them with `cargo lambda invoke`.

    python check.py TARGET          cargo's target directory
"""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

TARGET = Path(sys.argv[1])
LOCAL = TARGET / "debug" / "local"
FUNCTIONS = sorted(path.name for path in Path("functions").iterdir() if path.is_dir())
GLIBC = (2, 34)  # Amazon Linux 2023's
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"}
X86_64 = 62


def budget():
    """The maximum size of a binary in bytes, as shared/local/README.md states it."""
    page = Path("shared/local/README.md").read_text(encoding="utf-8")
    return float(re.search(r"at most (\d+) MB", page)[1]) * 1_000_000


def check(binary):
    """The binary can be loaded on Amazon Linux 2023, and is not larger than promised."""
    head = binary.read_bytes()[:20]
    assert head[:5] == b"\x7fELF\x02" and struct.unpack("<H", head[18:])[0] == X86_64, f"{binary} is not an ELF file for x86_64"
    read = lambda what: subprocess.run(
        ["readelf", "--wide", what, binary], check=True, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}
    ).stdout
    versions = re.findall(r"Name: GLIBC_(\d+)\.(\d+)", read("--version-info"))
    newest = max((int(major), int(minor)) for major, minor in versions)
    assert newest <= GLIBC, f"{binary} needs GLIBC_{newest[0]}.{newest[1]}"
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", read("--dynamic")))
    assert needed <= LIBRARIES, f"{binary} needs {needed - LIBRARIES}"
    # Rust's unwinding exceptions. Without them, the panic of one message aborts the process and its batch. cargo-lambda builds
    # that way if the profile doesn't set `panic`.
    assert b"MOZ\0RUST" in binary.read_bytes(), f"{binary} does not unwind"
    size = binary.stat().st_size
    assert size <= budget(), f"{binary} has {size} bytes"
    print(f"ok      {binary}: {size / 1e6:.1f} MB, GLIBC_{newest[0]}.{newest[1]}", flush=True)


@contextmanager
def running(command, **options):
    """A process in its own process group. At the end it gets SIGINT, as from Ctrl-C."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


@contextmanager
def stack(binaries):
    """`local up` with these binaries; yields its port. Nothing listens where URLs of the template lead."""
    declared = Path("template.yaml").read_text(encoding="utf-8").split("\nMappings:\n")[0]
    urls = re.findall(r"^  (\w+Url):$", declared, re.MULTILINE)
    parameters = [part for url in urls for part in ("--parameter", f"{url}=http://127.0.0.1:9/")]
    command = [LOCAL, "up", "--port", "0", "--binaries", binaries, *parameters]
    with running(command, stdout=subprocess.PIPE, text=True) as process:
        port = int(re.search(r":(\d+)$", process.stdout.readline().strip())[1])
        yield port


def dynamodb(port, operation, **request):
    headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}", json.dumps(request).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def invoke(port, function, sample):
    """Invokes the function with a sample event and returns the response."""
    address = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    command = ["cargo", "lambda", "invoke", function, *address, "--data-file", f"events/{function}/{sample}.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def check_effects(lambda_port, port, function):
    """Each sample function returns the expected response and does its work once. Any other returns a response."""
    get = lambda table, key: dynamodb(port, "GetItem", TableName=table, Key={"id": {"S": key}}).get("Item")
    done = {"batchItemFailures": []}
    if function == "place-order":
        for _ in range(2):
            assert invoke(lambda_port, function, "one-bad-among-good") == done
        with open("events/place-order/one-bad-among-good.json", encoding="utf-8") as file:
            orders = [json.loads(record["body"]) for record in json.load(file)["Records"]]
        assert [get("orders", order["id"]) is not None for order in orders] == [True, False, True]
        totals = {order["customer"]: 0 for order in orders}
        for order in (orders[0], orders[2]):
            totals[order["customer"]] += order["amount"]
        for customer, total in totals.items():
            assert int((get("customers", customer) or {"total": {"N": 0}})["total"]["N"]) == total, customer
    elif function == "reserve-stock":
        tea = {"id": {"S": "tea-green"}, "stock": {"N": "10"}}
        dynamodb(port, "PutItem", TableName="stock", Item=tea)
        for _ in range(2):
            assert invoke(lambda_port, function, "valid") == done
        assert get("stock", "tea-green")["stock"] == {"N": "8"}
    elif function == "send-notification":
        # There is no receiver, so the message must be redelivered.
        with open("events/send-notification/valid.json", encoding="utf-8") as file:
            failed = [{"itemIdentifier": record["messageId"]} for record in json.load(file)["Records"]]
        assert invoke(lambda_port, function, "valid") == {"batchItemFailures": failed}
    else:
        assert "batchItemFailures" in invoke(lambda_port, function, "valid")


def check_invoked(route, binaries):
    with stack(binaries) as port:
        for function in FUNCTIONS:
            check_effects(port, port, function)
            print(f"ok      {route}: {function} on the local stack", flush=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def check_watched(function, directory):
    """`cargo lambda watch` compiles and runs a function that uses the queues and tables of the local stack."""
    with stack(TARGET / "lambda") as port:
        environment = Path(directory) / "env"
        with open(environment, "wb") as file:
            endpoint = ["--endpoint-url", f"http://127.0.0.1:{port}"]
            subprocess.run([LOCAL, "env", function, *endpoint], stdout=file, check=True)
        watch_port = free_port()
        address = ["--invoke-address", "127.0.0.1", "--invoke-port", str(watch_port)]
        command = ["cargo", "lambda", "watch", "--locked", "--bin", function, "--env-file", environment, *address]
        with running(command) as watch:
            await_port(watch_port, watch)
            check_effects(watch_port, port, function)
    print(f"ok      cargo lambda watch: {function}", flush=True)


def await_port(port, process):
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.1)


def main():
    with tempfile.TemporaryDirectory() as directory:
        # SAM names the folders by logical ID.
        sam = Path(directory) / "sam"
        for function in FUNCTIONS:
            resource = function.title().replace("-", "")
            (sam / function).mkdir(parents=True)
            (sam / function / "bootstrap").symlink_to(Path(".aws-sam/build", resource, "bootstrap").resolve(strict=True))
        routes = {"cargo lambda build": TARGET / "lambda", "sam build": sam}
        for binaries in routes.values():
            for function in FUNCTIONS:
                check((binaries / function / "bootstrap").resolve(strict=True))
        for route, binaries in routes.items():
            check_invoked(route, binaries)
        check_watched(FUNCTIONS[0], directory)


main()
