"""Checks the configuration of the worker's image, and writes the bundle that a container runtime runs.

buildah inspect --type image IMAGE | python3 image.py ROOT BUNDLE [NAME=VALUE...]

ROOT is the mounted file system of a container. The bundle has what the Kubernetes objects demand: no capability, no new privileges, a
root file system that can only be read. It has a process namespace of its own, and the machine's network.
"""

import json
import pathlib
import sys

# What may not be in an image without a shell.
SHELLS = {"sh", "ash", "bash", "dash", "busybox", "zsh"}

root, bundle = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
config = json.load(sys.stdin)["Docker"]["config"]

expected = {
    "User": "65532:65532",
    "Entrypoint": ["/worker"],
    "StopSignal": "SIGTERM",
    "ExposedPorts": {"8080/tcp": {}},
}
for name, value in expected.items():
    if config.get(name) != value:
        sys.exit(f"{name} of the image is {config.get(name)!r}, not {value!r}")
if config.get("Cmd"):
    sys.exit(f"the image has a command: {config['Cmd']}")
if config["Healthcheck"]["Test"] != ["CMD", "/worker", "--health"]:
    sys.exit(f"the health check of the image is {config['Healthcheck']['Test']}")
if "HEALTH_ADDRESS=0.0.0.0:8080" not in config["Env"]:
    sys.exit(f"HEALTH_ADDRESS of the image can't be reached from outside: {config['Env']}")
shells = sorted(str(path) for path in root.rglob("*") if path.name in SHELLS)
if shells:
    sys.exit(f"the image has a shell: {', '.join(shells)}")
setuid = sorted(str(path) for path in root.rglob("*") if path.is_file() and path.stat().st_mode & 0o6000)
if setuid:
    sys.exit(f"the image has programs that change the user: {', '.join(setuid)}")

user, group = (int(part) for part in config["User"].split(":"))
namespaces = ["pid", "mount", "ipc", "uts"]
capabilities = ["bounding", "effective", "permitted", "inheritable", "ambient"]
bundle.mkdir(parents=True, exist_ok=True)
spec = {
    "ociVersion": "1.0.2",
    "root": {"path": str(root), "readonly": True},
    "process": {
        "args": config["Entrypoint"],
        "cwd": "/",
        "env": [*config["Env"], *sys.argv[3:]],
        "user": {"uid": user, "gid": group},
        "capabilities": {kind: [] for kind in capabilities},
        "noNewPrivileges": True,
    },
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
    ],
    "linux": {"namespaces": [{"type": kind} for kind in namespaces]},
}
(bundle / "config.json").write_text(json.dumps(spec, indent=2))
