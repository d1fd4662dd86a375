"""Checks the files that run the worker.

python check.py FOLDER TOOLS    # prints what each check finds, and exits with 1 if there is anything
"""

import pathlib
import sys

import linters
import rules
from report import report

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


if __name__ == "__main__":
    report(CHECKS, *(pathlib.Path(argument).resolve() for argument in sys.argv[1:]))
