"""Expands a SAM template as CloudFormation does: reads it from standard input, writes the expansion as JSON.

It runs offline. SAM requests only the ARNs of managed policies, and the roles of this template use none.
"""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # SAM derives the partition from it.

from samcli.lib.cfn_language_extensions.api import create_default_intrinsic_resolver
from samcli.lib.cfn_language_extensions.exceptions import InvalidTemplateException
from samcli.lib.cfn_language_extensions.models import ResolutionMode, TemplateProcessingContext
from samcli.lib.cfn_language_extensions.processors import ForEachProcessor, TemplateParsingProcessor
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class ManagedPolicies:
    def load(self):
        return {}


def loops(template):
    """Expands the loops of AWS::LanguageExtensions, as `sam build` does, but leaves parameters: the linters check their use."""
    context = TemplateProcessingContext(fragment=template, parameter_values={}, resolution_mode=ResolutionMode.PARTIAL)
    TemplateParsingProcessor().process_template(context)
    ForEachProcessor(create_default_intrinsic_resolver(context)).process_template(context)
    return names(context.fragment)


def names(node):
    """Replaces `Fn::Sub` of a text without variables. Loops use it to build the logical IDs in `Ref` and `Fn::GetAtt`."""
    if isinstance(node, list):
        return [names(item) for item in node]
    if not isinstance(node, dict):
        return node
    text = node.get("Fn::Sub")
    if isinstance(text, str) and "${" not in text:
        return text
    return {key: names(value) for key, value in node.items()}


def main():
    template = yaml_parse(sys.stdin.read())
    # `sam package` sets the address of the build before SAM expands the template.
    template.setdefault("Globals", {}).setdefault("Function", {})["CodeUri"] = "s3://bucket/key"
    try:
        expanded = transform(loops(template), {}, ManagedPolicies())
    except InvalidTemplateException as error:
        sys.exit(str(error))
    except InvalidDocumentException as error:
        sys.exit("\n".join(cause.message for cause in error.causes))
    json.dump(expanded, sys.stdout, indent=2)


main()
