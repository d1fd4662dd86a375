"""Reads Bicep files: their declarations, with literals as values and all else as expressions."""

import dataclasses
import re

import tree_sitter
import tree_sitter_bicep

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))

# The functions that our files use: https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions
FUNCTIONS = {"guid", "resourceGroup", "string", "subscription", "subscriptionResourceId", "uniqueString", "uriComponent"}
DECORATORS = {"description", "minLength", "maxLength", "minValue", "maxValue", "secure", "allowed"}


@dataclasses.dataclass
class Expression:
    """What only Azure can evaluate."""

    text: str

    def __str__(self):
        return self.text


@dataclasses.dataclass
class Resource:
    kind: str
    version: str
    exists: bool
    body: dict


class File:
    """The declarations of a file."""

    def __init__(self, path):
        self.name = path.name
        self.root = PARSER.parse(path.read_bytes()).root_node
        self.parameters, self.variables, self.resources, self.modules, self.outputs = {}, {}, {}, {}, {}
        # Names of the loops.
        self.items = {text(it.named_children[0]) for it in descendants(self.root) if it.type == "for_statement"}
        for node in self.root.named_children:
            if not node.has_error:
                self.declare(node)

    def declare(self, node):
        name = next((text(it) for it in node.named_children if it.type == "identifier"), None)
        last = node.named_children[-1] if node.named_children else None
        if node.type == "parameter_declaration":
            self.parameters[name] = None if last.type == "type" else value(last)
        elif node.type == "variable_declaration":
            self.variables[name] = value(last)
        elif node.type == "output_declaration":
            self.outputs[name] = value(last)
        elif node.type == "module_declaration":
            self.modules[name] = (value(node.named_children[1]), value(last))
        elif node.type == "resource_declaration":
            body = next(it for it in descendants(last) if it.type == "object") if last.type == "for_statement" else last
            kind, version = value(node.named_children[1]).split("@")
            exists = any(it.type == "existing" for it in node.children)
            self.resources[name] = Resource(kind, version, exists, value(body))


def descendants(node):
    yield node
    for child in node.children:
        yield from descendants(child)


def text(node):
    return node.text.decode()


def value(node):
    if node.type == "object":
        properties = (it.named_children for it in node.named_children if it.type == "object_property")
        return {text(it[0]).strip("'"): value(it[-1]) for it in properties}
    if node.type == "array":
        return [value(it) for it in node.named_children if it.type != "comment"]
    if node.type == "string" and not any(it.type == "interpolation" for it in node.named_children):
        return text(node)[1:-1].replace("\\'", "'")
    literal = {"number": int, "boolean": lambda it: it == "true"}.get(node.type)
    return literal(text(node)) if literal else Expression(text(node))


def syntax(file):
    """What is not Bicep, and which names are not declared."""
    for node in descendants(file.root):
        if node.is_missing or node.type == "ERROR":
            yield f"{file.name}:{node.start_point.row + 1}: not Bicep: {text(node).splitlines()[:1]}"
    declared = {*file.parameters, *file.variables, *file.resources, *file.modules, *file.items}
    for node in descendants(file.root):
        if node.type == "identifier" and (unknown := undeclared(node, declared)):
            yield f"{file.name}:{node.start_point.row + 1}: {unknown} is not declared"
    used = {text(it) for it in descendants(file.root) if it.type == "identifier" and is_reference(it)}
    yield from (f"{file.name}: {name} is not used" for name in [*file.parameters, *file.variables] if name not in used)


def is_reference(node):
    """Whether an identifier is not the name of what is declared here, or a key."""
    parent = node.parent
    first = parent.named_children and parent.named_children[0].id == node.id
    if parent.type in ("call_expression", "object_property", "for_statement") or parent.type.endswith("_declaration"):
        return not first
    return parent.type != "type"


def undeclared(node, declared):
    parent = node.parent
    if parent.type == "call_expression" and parent.named_children[0].id == node.id:
        decorates = parent.parent.type == "decorator"
        return None if text(node) in (DECORATORS if decorates else FUNCTIONS) else f"function {text(node)}"
    return text(node) if is_reference(node) and text(node) not in declared else None


def modules(file, files):
    """Whether a module gets the parameters that it declares, and only its outputs are used."""
    for name, (path, body) in file.modules.items():
        module = files.get(path)
        if module is None:
            yield f"{file.name}: no module {path}"
            continue
        given = body["params"].keys()
        needed = {it for it, default in module.parameters.items() if default is None}
        yield from (f"{file.name}: {path} has no parameter {it}" for it in sorted(given - module.parameters.keys()))
        yield from (f"{file.name}: {path} needs {it}" for it in sorted(needed - given))
        for output in re.findall(rf"\b{name}\.outputs\.(\w+)", text(file.root)):
            if output not in module.outputs:
                yield f"{file.name}: {path} has no output {output}"
