"""Checks the linters: each template with one mistake must be found by one of them.

python3 mistakes.py TEMPLATE TOOLS OUT
"""

import json
import pathlib
import subprocess
import sys
import textwrap

# Name, text of the template, replacement, and the rule that must find it. Without the rule, a finding about another defect
# would count. Only the first occurrence is replaced.
MISTAKES = [
    ("misspelt-response-type", "[ReportBatchItemFailures]", "[ReportBatchItemFailure]", "E3030"),
    ("concurrency-of-one", "MaximumConcurrency: !Ref MaximumConcurrency", "MaximumConcurrency: 1", "E3034"),
    ("fifo-batch-of-100", "BatchSize: 10\n", "BatchSize: 100\n", "E3705"),
    ("reference-to-nothing", "!Ref IdempotencyTable", "!Ref IdempotentTable", "E1020"),
    ("loop-refers-to-nothing", '[!Sub "${Queue}Queue", QueueName]', '[!Sub "${Queue}Queu", QueueName]', "E1010"),
    ("misspelt-action", "sqs:ReceiveMessage", "sqs:RecieveMessage", "W3037"),
    ("misspelt-property", "maxReceiveCount:", "maxRecieveCount:", "E3002"),
    ("no-restore", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "CKV_AWS_28"),
]

# Found in the loop of the FIFO queues.
NEEDS_FIFO = "fifo-batch-of-100"

template, tools, out = (pathlib.Path(argument) for argument in sys.argv[1:])
here = pathlib.Path(__file__).parent


def run(tool, program, *arguments, text=None):
    command = [tools / tool / "bin" / program, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True)


def expand(source):
    """Writes the expansion of each template with a mistake."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text, replacement, _ in MISTAKES:
        if text not in source:
            sys.exit(f"{name}: the template does not contain {text!r}")
        expanded = run("aws-sam-cli", "python", here / "expand.py", text=source.replace(text, replacement, 1))
        if expanded.returncode != 0:
            sys.exit(f"{name}: {expanded.stderr}")
        (out / f"{name}.json").write_text(expanded.stdout)


def linted():
    """Yields the findings of cfn-lint in the expansions."""
    files = [out / f"{name}.json" for name, *_ in MISTAKES]
    linted = run("aws-sam-cli", "cfn-lint", "--regions", "us-east-1", "--format", "json", "--", *files)
    for found in json.loads(linted.stdout):
        yield pathlib.Path(found["Filename"]).stem, found["Rule"]["Id"], f"cfn-lint: {found['Message']}"


def scanned():
    """Yields the findings of checkov in the expansions."""
    files = [argument for name, *_ in MISTAKES for argument in ("--file", out / f"{name}.json")]
    scanned = run("checkov", "checkov", "--config-file", here / "checkov.yaml", "--output", "json", *files)
    for failed in json.loads(scanned.stdout)["results"]["failed_checks"]:
        yield pathlib.Path(failed["file_path"]).stem, failed["check_id"], f"checkov: {failed['check_name']}"


def main():
    if "    Fifo:\n      Queues: []\n" in template.read_text():
        MISTAKES[:] = [mistake for mistake in MISTAKES if mistake[0] != NEEDS_FIFO]
    expand(template.read_text())
    found = {(name, rule): what for name, rule, what in [*linted(), *scanned()]}
    for name, *_, rule in MISTAKES:
        what = found.get((name, rule), "NOT FOUND")
        print(f"  {name:<24}{rule:<12}{textwrap.shorten(what, 100, placeholder=' ...')}")
    missed = [name for name, *_, rule in MISTAKES if (name, rule) not in found]
    if missed:
        sys.exit(f"no linter found: {', '.join(missed)}")


main()
