"""Whether the linters lint: templates with a mistake each are shown to them, and each has to be found by one.

python3 mistakes.py TEMPLATE TOOLS OUT
"""

import json
import pathlib
import subprocess
import sys
import textwrap

# Name, what the template says, what it says instead, and the rule that has to find it: any finding would also be one of a
# file that is broken otherwise. The first such place is changed.
MISTAKES = [
    ("misspelt-response-type", "[ReportBatchItemFailures]", "[ReportBatchItemFailure]", "E3030"),
    ("concurrency-of-one", "MaximumConcurrency: !Ref MaximumConcurrency", "MaximumConcurrency: 1", "E3034"),
    ("fifo-batch-of-100", "BatchSize: 10\n", "BatchSize: 100\n", "E3705"),
    ("reference-to-nothing", "!Ref NotificationsQueue", "!Ref NotificationQueue", "E1020"),
    ("misspelt-action", "sqs:ReceiveMessage", "sqs:RecieveMessage", "W3037"),
    ("misspelt-property", "maxReceiveCount:", "maxRecieveCount:", "E3002"),
    ("no-restore", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "CKV_AWS_28"),
]

template, tools, out = (pathlib.Path(argument) for argument in sys.argv[1:])
here = pathlib.Path(__file__).parent


def run(tool, program, *arguments, text=None):
    command = [tools / tool / "bin" / program, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True)


def expand(source):
    """Writes the expansion of each template with a mistake."""
    out.mkdir(parents=True, exist_ok=True)
    for name, said, instead, _ in MISTAKES:
        if said not in source:
            sys.exit(f"{name}: the template no longer says {said!r}")
        expanded = run("aws-sam-cli", "python", here / "expand.py", text=source.replace(said, instead, 1))
        if expanded.returncode != 0:
            sys.exit(f"{name}: {expanded.stderr}")
        (out / f"{name}.json").write_text(expanded.stdout)


def linted():
    """What cfn-lint finds in the expansions."""
    files = [out / f"{name}.json" for name, *_ in MISTAKES]
    linted = run("aws-sam-cli", "cfn-lint", "--regions", "us-east-1", "--format", "json", "--", *files)
    for found in json.loads(linted.stdout):
        yield pathlib.Path(found["Filename"]).stem, found["Rule"]["Id"], f"cfn-lint: {found['Message']}"


def scanned():
    """What checkov finds in them."""
    files = [argument for name, *_ in MISTAKES for argument in ("--file", out / f"{name}.json")]
    scanned = run("checkov", "checkov", "--config-file", here / "checkov.yaml", "--output", "json", *files)
    for failed in json.loads(scanned.stdout)["results"]["failed_checks"]:
        yield pathlib.Path(failed["file_path"]).stem, failed["check_id"], f"checkov: {failed['check_name']}"


def main():
    expand(template.read_text())
    found = {(name, rule): what for name, rule, what in [*linted(), *scanned()]}
    for name, *_, rule in MISTAKES:
        what = found.get((name, rule), "IT PASSES")
        print(f"  {name:<24}{rule:<12}{textwrap.shorten(what, 100, placeholder=' ...')}")
    missed = [name for name, *_, rule in MISTAKES if (name, rule) not in found]
    if missed:
        sys.exit(f"not found: {', '.join(missed)}")


main()
