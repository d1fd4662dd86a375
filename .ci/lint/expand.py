"""Expands a SAM template as CloudFormation does: reads it from standard input, writes the expansion as JSON.

It runs offline. SAM requests only the ARNs of managed policies, and the roles of this template use none.
"""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # SAM derives the partition from it.

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class ManagedPolicies:
    def load(self):
        return {}


def main():
    template = yaml_parse(sys.stdin.read())
    # `sam package` sets the address of the build before SAM expands the template.
    template.setdefault("Globals", {}).setdefault("Function", {})["CodeUri"] = "s3://bucket/key"
    try:
        expanded = transform(template, {}, ManagedPolicies())
    except InvalidDocumentException as error:
        sys.exit("\n".join(cause.message for cause in error.causes))
    json.dump(expanded, sys.stdout, indent=2)


main()
