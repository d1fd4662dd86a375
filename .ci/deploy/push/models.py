"""Holds the resources of Bicep files to the models of Azure's SDK for Python, which Microsoft generates from the API."""

import enum
import importlib
import inspect
import re

import bicep

# Type of a resource: the module of its API version, and its model.
KINDS = {
    "Microsoft.Authorization/roleAssignments": ("authorization.v2022_04_01", "RoleAssignmentCreateParameters"),
    "Microsoft.DBforPostgreSQL/flexibleServers": ("postgresqlflexibleservers", "Server"),
    "Microsoft.DBforPostgreSQL/flexibleServers/databases": ("postgresqlflexibleservers", "Database"),
    "Microsoft.Insights/actionGroups": ("monitor.v2023_01_01", "ActionGroupResource"),
    "Microsoft.Insights/components": ("applicationinsights.v2020_02_02", "ApplicationInsightsComponent"),
    "Microsoft.Insights/diagnosticSettings": ("monitor.v2021_05_01_preview", "DiagnosticSettingsResource"),
    "Microsoft.Insights/metricAlerts": ("monitor.v2018_03_01", "MetricAlertResource"),
    "Microsoft.Insights/scheduledQueryRules": ("monitor.v2022_08_01_preview", "ScheduledQueryRuleResource"),
    "Microsoft.KeyVault/vaults": ("keyvault", "VaultCreateOrUpdateParameters"),
    "Microsoft.KeyVault/vaults/secrets": ("keyvault", "SecretCreateOrUpdateParameters"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("msi.v2024_11_30", "Identity"),
    "Microsoft.Network/privateDnsZones": ("privatedns", "PrivateZone"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": ("privatedns", "VirtualNetworkLink"),
    "Microsoft.Network/virtualNetworks": ("network", "VirtualNetwork"),
    "Microsoft.Network/virtualNetworks/subnets": ("network", "Subnet"),
    "Microsoft.OperationalInsights/workspaces": ("loganalytics", "Workspace"),
    "Microsoft.Storage/storageAccounts": ("storage", "StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/blobServices": ("storage", "BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("storage", "BlobContainer"),
    "Microsoft.Storage/storageAccounts/queueServices": ("storage", "QueueServiceProperties"),
    "Microsoft.Storage/storageAccounts/queueServices/queues": ("storage", "StorageQueue"),
    "Microsoft.Web/serverfarms": ("web", "AppServicePlan"),
    "Microsoft.Web/sites": ("web", "Site"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": ("web", "CsmPublishingCredentialsPoliciesEntity"),
}

# What Bicep reads itself, or sends in the address.
OF_BICEP = {"name", "parent", "scope", "dependsOn"}
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float), "duration": str}


def sdk(kind):
    """The module of a resource's models, and its API version."""
    package, model = KINDS[kind]
    module = importlib.import_module(f"azure.mgmt.{package}.models")
    if "." in package:
        return module, model, package.split(".v")[1].replace("_", "-")
    configuration = importlib.import_module(f"azure.mgmt.{package}._configuration")
    version = re.search(r'pop\("api_version", "([^"]+)"', inspect.getsource(configuration))
    operations = importlib.import_module(f"azure.mgmt.{package}.operations._operations") if not version else None
    # Some packages state it with each operation.
    version = version or re.search(r'_params.pop\("api-version", "([^"]+)"', inspect.getsource(operations))
    return module, model, version[1]


def fields(model):
    """Wire names of a model, with the type of each, whether it can be set, and whether it must be."""
    if hasattr(model, "_attribute_map"):
        return of_map(model)
    found = {}
    for base in reversed(model.__mro__):
        for name, kind in getattr(base, "__annotations__", {}).items():
            field = base.__dict__.get(name)
            if hasattr(field, "_visibility"):
                wire = field._rest_name_input or name
                optional = "Optional[" in str(kind) or "NoneType" in str(kind)
                found[wire] = (str(kind), field._visibility != ["read"], not optional)
    return found


def of_map(model):
    """Of a model that an older generator wrote: it names the fields of `properties` with a path."""
    found = {}
    for name, field in model._attribute_map.items():
        path = re.split(r"(?<!\\)\.", field["key"])
        rules = model._validation.get(name, {})
        entry = (field["type"], not rules.get("readonly"), bool(rules.get("required")))
        within = found
        for part in path[:-1]:
            within = within.setdefault(part, ({}, True, False))[0]
        within[path[-1].replace("\\.", ".")] = entry
    return found


def resource(found):
    """What a model has no place for."""
    if found.kind not in KINDS:
        yield f"{found.kind} is not in the list"
        return
    module, model, version = sdk(found.kind)
    if found.version != version:
        yield f"{found.kind}: version {found.version}, but the models are of {version}"
    body = {name: it for name, it in found.body.items() if name not in OF_BICEP}
    if not found.exists:
        yield from of_object(body, getattr(module, model), module, found.kind.split("/")[-1])


def of_object(body, model, module, path):
    known = fields(subtype(model, body, module)) if inspect.isclass(model) else model
    for name, it in body.items():
        if name not in known:
            yield f"{path}/{name} is unknown"
        elif not known[name][1]:
            yield f"{path}/{name} is read-only"
        else:
            yield from of_value(it, known[name][0], module, f"{path}/{name}")
    missing = [name for name, (_, settable, needed) in known.items() if needed and settable and name not in body.keys() | OF_BICEP]
    yield from (f"{path}/{name} is missing" for name in missing)


def subtype(model, body, module):
    """The model that a discriminator names."""
    for name, known in vars(model).get("_subtype_map", {}).items():
        wire = model._attribute_map[name]["key"].replace("\\.", ".")
        if body.get(wire) in known:
            return subtype(getattr(module, known[body[wire]]), body, module)
    return model


def of_value(found, kind, module, path):
    if isinstance(found, bicep.Expression):
        return
    if isinstance(kind, dict):
        yield from of_object(found, kind, module, path)
    elif isinstance(found, list):
        if "[" not in re.sub(r"Optional\[|Union\[", "", kind):
            yield f"{path} is a list, not {kind}"
        for position, it in enumerate(found):
            yield from of_value(it, kind.strip("[]"), module, f"{path}[{position}]")
    elif isinstance(found, dict):
        names = [name for name in re.findall(r"\w+", kind) if inspect.isclass(getattr(module, name, None))]
        is_map = "Dict[" in kind or "dict[" in kind or kind.startswith("{")
        if names and not is_map:
            yield from of_object(found, getattr(module, names[0]), module, path)
        elif not is_map and kind != "object":
            yield f"{path} is an object, not {kind}"
    else:
        yield from of_scalar(found, kind, module, path)


def of_scalar(found, kind, module, path):
    names = re.findall(r"\w+", kind)
    # A known value is text, too, so the values go first.
    for known in (getattr(module, name, None) for name in names):
        if inspect.isclass(known) and issubclass(known, enum.Enum):
            if found not in [it.value for it in known]:
                yield f"{path} is {found!r}, not one of {', '.join(it.value for it in known)}"
            return
    for name in names:
        if name in SCALARS:
            if not isinstance(found, SCALARS[name]) or (name == "bool") != isinstance(found, bool):
                yield f"{path} is {found!r}, not {name}"
            return
