"""What both platforms have in common: the settings of the push host, which `--help` prints."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCE = ROOT / "shared/push/src"

# What remains of PostgreSQL's connections for operators, migrations and the server.
SPARE_CONNECTIONS = 40

# The function of the files, and its settings: a workspace may have removed the sample functions, and keeps the files.
SAMPLE = "send-notification"
OF_SAMPLE = {"NOTIFICATION_URL"}


def number(pattern, file):
    return int(re.search(pattern, (SOURCE / file).read_text())[1])


def settings_of(function):
    """The settings that `--help` of the host prints, those of the function, and the values of PUSH_PLATFORM."""
    source = (SOURCE / "settings.rs").read_text()
    text = source.split("const HELP", 1)[1].split('";', 1)[0]
    host = {name for line in re.findall(r"^  ([A-Z][A-Z_, ]+)", text, re.M) for name in re.findall(r"[A-Z][A-Z_]+", line)}
    files = list((ROOT / "functions" / function / "src").rglob("*.rs"))
    own = {name for file in files for name in re.findall(r'"([A-Z][A-Z_]+)"', file.read_text())} if files else OF_SAMPLE
    return host, own, set(re.findall(r'"([a-z-]+)" => Ok\(Platform', source))


def environment(given, function, platform):
    """Each variable is one that is read, and what the platform needs is there."""
    host, own, platforms = settings_of(function)
    yield from (f"{name} is no setting of the host or of {function}" for name in sorted(given.keys() - host - own))
    yield from (f"{name} is not set, which {function} reads" for name in sorted(own - given.keys()))
    yield from (f"{name} is not set" for name in ["QUEUE_URL", "DEADLINE_SECONDS", "CONCURRENCY"] if name not in given)
    if given.get("PUSH_PLATFORM") != platform or platform not in platforms:
        yield f"PUSH_PLATFORM is {given.get('PUSH_PLATFORM')!r}, not {platform!r}"
    if len({"DATABASE_URL", "IDEMPOTENCY_TABLE"} & given.keys()) != 1:
        yield "not exactly one ledger"


def has_program(function):
    """Whether the function has the program that is started."""
    manifest = ROOT / "functions" / function / "Cargo.toml"
    if not manifest.exists():
        yield from [] if function == SAMPLE else [f"there is no functions/{function}"]
    elif f'name = "{function}-push"' not in manifest.read_text():
        yield f"functions/{function} has no program {function}-push"
