//! `AWS::Serverless::Function`.

use std::{collections::BTreeMap, time::Duration};

use super::{
    error::Problem,
    log,
    model::Function,
    node::Node,
    properties::{Properties, Rules},
    resources::Declared,
    scope::Scope,
};

const RULES: Rules = Rules {
    honoured: &[
        "CodeUri",
        "FunctionName",
        "MemorySize",
        "PackageType",
        "Runtime",
        "Timeout",
    ],
    parts: &["Environment", "Events", "LoggingConfig"],
    without_effect: &[
        "Architectures",
        "AssumeRolePolicyDocument",
        "AutoPublishAlias",
        "AutoPublishAliasAllProperties",
        "AutoPublishCodeSha256",
        "CodeSigningConfigArn",
        "DeploymentPreference",
        "Description",
        "EphemeralStorage",
        // An OS-only runtime doesn't read it.
        "Handler",
        "KmsKeyArn",
        "PermissionsBoundary",
        "Policies",
        "PropagateTags",
        "ProvisionedConcurrencyConfig",
        "RecursiveLoop",
        // The mapping's MaximumConcurrency is what bounds the processes here.
        "ReservedConcurrentExecutions",
        "Role",
        "RolePath",
        "RuntimeManagementConfig",
        "Tags",
        "Tracing",
        "VersionDescription",
        // On one machine every address is reachable.
        "VpcConfig",
    ],
    refused: &[
        (
            "EventInvokeConfig",
            "the local stack has no asynchronous invocations: remove the property",
        ),
        (
            "DeadLetterQueue",
            "the local stack has no asynchronous invocations: give the queue a RedrivePolicy instead",
        ),
        (
            "FunctionUrlConfig",
            "the local stack has no function URLs: remove the property",
        ),
        (
            "ImageUri",
            "the local stack runs binaries, not container images: use Runtime and CodeUri",
        ),
        ("InlineCode", "the local stack runs compiled binaries: use CodeUri"),
        ("Layers", "the local stack has no layers: remove the property"),
    ],
};

const ENVIRONMENT: Rules = Rules::only(&["Variables"]);

/// Lambda sets these itself and refuses them in a function's configuration (Lambda Developer Guide, "Environment variables").
const RESERVED: [&str; 17] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_HANDLER",
];

/// A function, and the `Events` it is triggered by.
pub(crate) struct Read {
    pub(crate) function: Function,
    pub(crate) events: Option<Node>,
}

/// Reads one function; its properties are already merged with the template's globals.
pub(crate) fn read(scope: &Scope<'_>, resource: &Declared<'_>) -> Result<Read, Problem> {
    let properties = Properties::open(scope, &resource.properties, &RULES)?;
    check_runtime(&properties)?;
    let mut environment = environment(scope, &properties)?;
    environment.extend(
        log::variables(scope, &properties)?
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    let function = Function {
        logical_id: resource.logical_id.to_owned(),
        name: resource.name.clone(),
        binary: binary(scope, resource, &properties)?,
        environment,
        // Both defaults are Lambda's own (Lambda API Reference, `CreateFunction`).
        timeout: Duration::from_secs(properties.number("Timeout", 1..=900)?.unwrap_or(3).into()),
        memory_mb: properties.number("MemorySize", 128..=10_240)?.unwrap_or(128),
    };
    Ok(Read {
        function,
        events: properties.get("Events").cloned(),
    })
}

fn check_runtime(properties: &Properties) -> Result<(), Problem> {
    if let Some(package) = properties.get("PackageType")
        && package.one_of(&["Image", "Zip"])? == "Image"
    {
        return Err(package.unsupported("the local stack runs binaries, not container images: use PackageType Zip"));
    }
    let runtime = properties.required("Runtime")?;
    match runtime.text()? {
        "provided.al2023" | "provided.al2" => Ok(()),
        other => Err(runtime.unsupported(format!(
            "the local stack runs Rust binaries, not the runtime {other}: use provided.al2023"
        ))),
    }
}

fn environment(scope: &Scope<'_>, properties: &Properties) -> Result<BTreeMap<String, String>, Problem> {
    let Some(environment) = properties.part(scope, "Environment", &ENVIRONMENT)? else {
        return Ok(BTreeMap::new());
    };
    let Some(variables) = environment.get("Variables") else {
        return Ok(BTreeMap::new());
    };
    variables
        .map()?
        .iter()
        .map(|(name, value)| Ok((variable_name(name, value)?, value.text()?.to_owned())))
        .collect()
}

/// "Keys start with a letter and are at least two characters. Keys only contain letters, numbers, and the underscore
/// character. Keys aren't reserved by Lambda." (Lambda Developer Guide, "Environment variables")
fn variable_name(name: &str, at: &Node) -> Result<String, Problem> {
    if RESERVED.contains(&name) {
        return Err(at.invalid(format!("Lambda sets {name} itself: choose another name")));
    }
    let rest_is_fine = name.len() >= 2 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !rest_is_fine || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(at.invalid(format!(
            "{name:?} is no name for a variable: two or more of A-Z, a-z, 0-9, _, a letter first"
        )));
    }
    Ok(name.to_owned())
}

/// The binary's name: from the build's properties, or the last component of `CodeUri`.
fn binary(scope: &Scope<'_>, resource: &Declared<'_>, properties: &Properties) -> Result<String, Problem> {
    let nothing = resource.node.empty_child("Metadata");
    let metadata = resource.node.get("Metadata").unwrap_or(&nothing);
    if let Some(named) = built_binary(scope, metadata)? {
        return Ok(named);
    }
    let last = properties
        .text("CodeUri")?
        .and_then(|uri| uri.trim_end_matches('/').rsplit('/').next());
    match last {
        Some(name) if !["", ".", ".."].contains(&name) => Ok(name.to_owned()),
        _ => {
            Err(metadata.invalid("which binary is it? Name it in BuildProperties.Binary, or end CodeUri with its name"))
        }
    }
}

fn built_binary(scope: &Scope<'_>, metadata: &Node) -> Result<Option<String>, Problem> {
    let Some(method) = metadata.get("BuildMethod") else {
        return Ok(None);
    };
    if method.text()? != "rust-cargolambda" {
        return Err(method.unsupported("the local stack builds with cargo: use BuildMethod rust-cargolambda"));
    }
    let binary = metadata.get("BuildProperties").and_then(|build| build.get("Binary"));
    binary
        .map(|binary| Ok(scope.resolve_some(binary)?.text()?.to_owned()))
        .transpose()
}
