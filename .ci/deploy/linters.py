"""Linters that others wrote, each as a function from the folder and the tools to the list of what it finds."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

UNIT = "systemd/worker@.service"


def run(*command):
    """Runs a linter. Returns the lines of a run that fails: what it printed is what it found."""
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode == 0:
        return []
    return (ran.stdout + ran.stderr).splitlines() or [f"{command[0]} exits with {ran.returncode}"]


def systemd_verify(folder, _tools):
    """systemd-analyze verify, in a root of its own: with the program that the unit starts, and targets without contents."""
    with tempfile.TemporaryDirectory() as root:
        units = pathlib.Path(root, "etc/systemd/system")
        programs = pathlib.Path(root, "usr/local/bin")
        units.mkdir(parents=True)
        programs.mkdir(parents=True)
        shutil.copy("/bin/true", programs / "place-order-worker")
        shutil.copy(folder / UNIT, units)
        for target in ["sysinit", "basic", "shutdown", "network-online", "multi-user"]:
            (units / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
        # Without --recursive-errors it exits with 0, whatever it finds.
        options = ["--man=no", "--recursive-errors=yes", f"--root={root}"]
        return run("systemd-analyze", "verify", *options, "worker@place-order.service")


def systemd_security(folder, _tools):
    """systemd-analyze security: an exposure of at most 1.5 of 10. It is 1.2, and 1.6 as root."""
    return run("systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold=15", folder / UNIT)


def hadolint(folder, tools):
    return run(tools / "deploy/bin/hadolint", "--no-color", folder / "container/Containerfile")


def kubernetes_validate(folder, tools):
    """The schemas of Kubernetes, without unknown fields."""
    command = [tools / "deploy/bin/kubernetes-validate", "--strict", "--quiet", folder / "kubernetes/deployment.yaml"]
    ran = subprocess.run(command, capture_output=True, text=True)
    # It exits with 0 after a kind or version without a schema, but reports it.
    return (ran.stdout + ran.stderr).splitlines()


def keda_schema(folder, tools):
    """The schemas of KEDA, without unknown fields."""
    objects = [it for file in sorted(folder.glob("kubernetes/scale-*.yaml")) for it in yaml.safe_load_all(file.read_text())]
    script = pathlib.Path(__file__).with_name("keda.mjs")
    command = ["node", script, tools / "keda/node_modules"]
    ran = subprocess.run(command, input=json.dumps(objects), capture_output=True, text=True)
    return json.loads(ran.stdout) if ran.returncode == 0 else ran.stderr.splitlines()


def cfn_lint(folder, tools):
    command = [tools / "deploy/bin/cfn-lint", "--regions", "us-east-1", "eu-central-1", "--format", "parseable", "--"]
    return [re.sub(r"^.*?service", "service", line) for line in run(*command, folder / "ecs/service.yaml")]
