"""What CloudFormation makes of a SAM template: reads one from standard input, writes the expansion as JSON.

Offline: SAM asks AWS for nothing but the ARNs of managed policies, of which a role of one's own has none.
"""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # SAM wants to know the partition.

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class ManagedPolicies:
    def load(self):
        return {}


def main():
    template = yaml_parse(sys.stdin.read())
    # `sam package` puts the address of the build there, before SAM sees the template.
    template.setdefault("Globals", {}).setdefault("Function", {})["CodeUri"] = "s3://bucket/key"
    try:
        expanded = transform(template, {}, ManagedPolicies())
    except InvalidDocumentException as error:
        sys.exit("\n".join(cause.message for cause in error.causes))
    json.dump(expanded, sys.stdout, indent=2)


main()
