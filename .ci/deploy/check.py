"""Checks the files that run the worker.

python check.py FOLDER TOOLS    # prints what each check finds, and exits with 1 if there is anything
"""

import pathlib
import sys

import linters
import rules

CHECKS = {
    "systemd-analyze verify": linters.systemd_verify,
    "systemd-analyze security": linters.systemd_security,
    "hadolint": linters.hadolint,
    "kubernetes-validate": linters.kubernetes_validate,
    "KEDA's schemas": linters.keda_schema,
    "cfn-lint": linters.cfn_lint,
    "KEDA's triggers": lambda folder, _tools: list(rules.keda_triggers(folder)),
    "stop times": lambda folder, _tools: list(rules.stop_times(folder)),
    "pod security": lambda folder, _tools: list(rules.pod_security(folder)),
    "scaling metrics": lambda folder, _tools: list(rules.scaling_metrics(folder)),
}


def main():
    folder, tools = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    found = {name: check(folder, tools) for name, check in CHECKS.items()}
    for name, findings in found.items():
        print(f"  {name}: {len(findings) or 'no'} findings")
        for finding in findings:
            print(f"    {finding}")
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
