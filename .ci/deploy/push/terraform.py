"""Reads Terraform files, and holds them to the schema of their provider."""

import functools
import json
import pathlib
import re
import subprocess
import tarfile

# Arguments of every resource: https://developer.hashicorp.com/terraform/language/meta-arguments
META = {"depends_on", "count", "for_each", "provider", "lifecycle"}
PROVIDER = "@cdktn/provider-google"
REFERENCE = re.compile(r"(?<![\w.])((?:data\.)?google_\w+|var|local|each)\.(\w+)(?:\[[^\]]*\])?(?:\.(\w+))?")


def read(folder, tools):
    """All files of a folder as one: kind of block, then type, name and body of each."""
    found = {}
    for file in sorted(folder.glob("*.tf")):
        merge(found, parsed(file.name, file.read_text(), tools))
    return found


def merge(into, found):
    """Adds the blocks of another file. Blocks of one kind, type and name are lists."""
    for name, it in found.items():
        if isinstance(it, list):
            into[name] = into.get(name, []) + it
        else:
            merge(into.setdefault(name, {}), it)


@functools.lru_cache
def parser(tools):
    command = ["node", pathlib.Path(__file__).with_name("hcl.mjs"), tools / "hcl/node_modules"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@functools.lru_cache
def parsed(name, text, tools):
    process = parser(tools)
    process.stdin.write(json.dumps([name, text]) + "\n")
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    if isinstance(found, str):
        raise SyntaxError(found)
    return found


@functools.lru_cache(maxsize=1)
def types(tools):
    """The types of the provider's bindings for the CDK, which are generated from its schema."""
    [package] = tools.glob("google/lib/*/site-packages/cdktn_provider_google/_jsii/*.tgz")
    with tarfile.open(package) as files:
        return json.load(files.extractfile("package/.jsii"))["types"]


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(it.capitalize() for it in rest)


def binding(kind, is_data, suffix=""):
    """The name of a resource's type in the bindings."""
    name = camel(("data_google_" if is_data else "") + kind.removeprefix("google_"))
    return f"{PROVIDER}.{name}.{name[0].upper()}{name[1:]}{suffix}"


def resources(found):
    for block, is_data in [("resource", False), ("data", True)]:
        for kind, named in found.get(block, {}).items():
            for name, [body] in named.items():
                yield kind, name, body, is_data


def schema(found, tools):
    """Arguments and blocks that the provider does not have, and those that it requires."""
    known = types(tools)
    for kind, name, body, is_data in resources(found):
        config = known.get(binding(kind, is_data, "Config"))
        if config is None:
            yield f"the provider has no {kind}"
            continue
        yield from of_block(body, config, known, f"{kind}.{name}")


def of_block(body, config, known, path):
    properties = {it["name"]: it for it in config["properties"]}
    given = {camel(name): name for name in body if name not in META}
    yield from (f"{path}: {snake} is unknown" for name, snake in given.items() if name not in properties)
    needed = [name for name, it in properties.items() if not it.get("optional") and name not in given]
    yield from (f"{path}: {name} is missing" for name in needed)
    for name, snake in given.items():
        if name in properties:
            yield from of_argument(body[snake], properties[name], known, f"{path}/{snake}")


def of_argument(found, declared, known, path):
    kind = json.dumps(declared["type"])
    structs = [it for it in re.findall(r'"fqn": "([^"]+)"', kind) if it in known]
    if structs:
        if not isinstance(found, list):
            yield f"{path} is an argument, not a block"
            return
        for block in found:
            yield from of_block(block, known[structs[0]], known, path)
        return
    docs = declared.get("docs", {})
    allowed = re.search(r"Possible values: (\[.*?\])", f"{docs.get('summary')} {docs.get('remarks')}".replace("\\", ""))
    if allowed and isinstance(found, str) and "${" not in found and found not in json.loads(allowed[1]):
        yield f"{path} is {found!r}, not one of {allowed[1]}"
    if isinstance(found, str) and "${" in found:
        return
    if '"array"' in kind or '"map"' in kind:
        if not isinstance(found, list if '"array"' in kind else dict):
            yield f"{path} is {found!r}, not a list or a map"
    elif '"number"' in kind and not isinstance(found, (int, float)):
        yield f"{path} is {found!r}, not a number"
    elif '"boolean"' in kind and not isinstance(found, bool):
        yield f"{path} is {found!r}, not a boolean"
    elif '"string"' in kind and isinstance(found, (bool, list, dict)):
        yield f"{path} is {found!r}, not text"


def strings(found):
    if isinstance(found, str):
        yield found
    for it in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from strings(it)


def references(found, tools):
    """References to what is not declared, to attributes that a resource does not have, and what nothing refers to."""
    known = types(tools)
    variables = set(found.get("variable", {}))
    local = {name for block in found.get("locals", []) for name in block}
    declared = {(("data." if is_data else "") + kind, name): (kind, is_data) for kind, name, _, is_data in resources(found)}
    used = set()
    # `${...}` in text, and arguments without quotes.
    for scope, name, attribute in (match.groups() for it in strings(found) for match in REFERENCE.finditer(it)):
        used.add((scope, name))
        if scope == "var" and name not in variables:
            yield f"no variable {name}"
        elif scope == "local" and name not in local:
            yield f"no local value {name}"
        elif "google_" in scope and (scope, name) not in declared:
            yield f"no resource {scope}.{name}"
        elif "google_" in scope and attribute:
            kind, is_data = declared[scope, name]
            has = {it["name"] for it in known[binding(kind, is_data)]["properties"]}
            if camel(attribute) not in has:
                yield f"{scope}.{name} has no attribute {attribute}"
    yield from (f"variable {it} is not used" for it in sorted(variables) if ("var", it) not in used)
    yield from (f"local value {it} is not used" for it in sorted(local) if ("local", it) not in used)
