//! `AWS::Serverless::Function`.

use std::{collections::BTreeMap, time::Duration};

use super::{
    declared::Declared,
    error::Problem,
    log,
    model::Function,
    node::Node,
    properties::{Properties, Rules},
    scope::Scope,
};

const RULES: Rules = Rules {
    supported: &[
        "CodeUri",
        "FunctionName",
        "Layers",
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
    check_layers(&properties)?;
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

/// The name of the [extension](https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html)
/// through which a deployed function reads secrets. Locally it reads a file.
const SECRETS_LAYER: &str = ":layer:AWS-Parameters-and-Secrets-Lambda-Extension";

fn check_layers(properties: &Properties) -> Result<(), Problem> {
    let Some(layers) = properties.get("Layers") else {
        return Ok(());
    };
    for layer in layers.list()? {
        if !layer.text()?.contains(SECRETS_LAYER) {
            return Err(layer.unsupported(
                "the local stack has no layers, and passes over that of the Parameters and Secrets extension only: remove it",
            ));
        }
    }
    Ok(())
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
            "{name:?} is not a valid variable name: two or more of A-Z, a-z, 0-9, _, a letter first"
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
            Err(metadata
                .invalid("the binary is unknown: name it in BuildProperties.Binary, or end CodeUri with its name"))
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

#[cfg(test)]
mod tests {
    use super::super::testing::{read, with_function, with_resource};
    use super::*;

    fn function(properties: &str) -> Result<Function, String> {
        Ok(read(&with_function(properties))?.functions.remove(0))
    }

    fn refusal(properties: &str) -> String {
        let message = function(properties).unwrap_err();
        message
            .split_once("Resources.Work.Properties.")
            .expect("names the property")
            .1
            .to_owned()
    }

    #[test]
    fn an_absent_property_has_lambdas_default() {
        let function = function("").unwrap();
        assert_eq!((function.timeout.as_secs(), function.memory_mb), (3, 128));
        assert_eq!(
            (function.name.as_str(), function.binary.as_str()),
            ("local-Work", "work")
        );
        assert!(function.environment.is_empty());
    }

    #[test]
    fn the_builds_binary_wins_over_the_code_uri() {
        let metadata =
            "Metadata:\n      BuildMethod: rust-cargolambda\n      BuildProperties: {Binary: other}\n    Properties:";
        let template = with_function("").replace("Properties:\n      Runtime", &format!("{metadata}\n      Runtime"));
        assert_eq!(read(&template).unwrap().functions[0].binary, "other");
        let message = read(&template.replace("rust-cargolambda", "makefile")).unwrap_err();
        assert!(
            message.contains("Resources.Work.Metadata.BuildMethod: the local stack builds with cargo"),
            "{message}"
        );
    }

    #[test]
    fn a_function_without_a_binary_is_refused() {
        let template = with_function("").replace("target/lambda/work/", "./");
        let message = read(&template).unwrap_err();
        assert!(
            message.contains("Resources.Work.Metadata: the binary is unknown"),
            "{message}"
        );
    }

    #[test]
    fn the_layer_of_the_secrets_extension_has_no_effect() {
        let known =
            "arn:aws:lambda:eu-central-1:187925254637:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64:4";
        let without = function("").unwrap();
        assert_eq!(function(&format!("Layers: ['{known}']")).unwrap(), without);
        let other = "arn:aws:lambda:eu-central-1:1:layer:own:1";
        let refusal = refusal(&format!("Layers: ['{known}', '{other}']"));
        assert!(refusal.contains("the local stack has no layers"), "{refusal}");
    }

    #[test]
    fn the_logging_config_becomes_lambdas_variables() {
        let json =
            function("LoggingConfig: {LogFormat: JSON, ApplicationLogLevel: DEBUG, LogGroup: !ImportValue x}").unwrap();
        assert_eq!(json.environment["AWS_LAMBDA_LOG_FORMAT"], "JSON");
        assert_eq!(json.environment["AWS_LAMBDA_LOG_LEVEL"], "DEBUG");
        assert_eq!(
            function("LoggingConfig: {LogFormat: JSON}").unwrap().environment["AWS_LAMBDA_LOG_LEVEL"],
            "INFO"
        );
        assert!(
            !function("LoggingConfig: {LogFormat: Text}")
                .unwrap()
                .environment
                .contains_key("AWS_LAMBDA_LOG_LEVEL")
        );
        assert!(
            refusal("LoggingConfig: {ApplicationLogLevel: INFO}")
                .ends_with("Lambda accepts a level only with LogFormat: JSON")
        );
        assert!(
            refusal("LoggingConfig: {LogFormat: JSON, ApplicationLogLevel: LOUD}")
                .contains("must be one of TRACE, DEBUG")
        );
    }

    #[test]
    fn a_part_may_depend_on_a_condition() {
        let part = "LoggingConfig: !If [Never, {}, {LogFormat: JSON, LogGroup: !ImportValue x}]";
        let template = format!("Conditions: {{Never: !Equals [a, b]}}\n{}", with_function(part));
        let function = read(&template).unwrap().functions.remove(0);
        assert_eq!(function.environment["AWS_LAMBDA_LOG_FORMAT"], "JSON");
    }

    #[test]
    fn a_variable_that_lambda_sets_itself_is_refused() {
        let reason = refusal("Environment: {Variables: {AWS_REGION: x}}");
        assert_eq!(
            reason,
            "Environment.Variables.AWS_REGION: Lambda sets AWS_REGION itself: choose another name"
        );
        assert!(refusal("Environment: {Variables: {1A: x}}").contains("\"1A\" is not a valid variable name"));
    }

    #[test]
    fn numbers_outside_of_lambdas_ranges_are_refused() {
        assert_eq!(
            refusal("Timeout: 0"),
            "Timeout: must be a whole number from 1 to 900, not \"0\""
        );
        assert_eq!(
            refusal("MemorySize: 64"),
            "MemorySize: must be a whole number from 128 to 10240, not \"64\""
        );
    }

    #[test]
    fn what_makes_no_difference_locally_is_not_evaluated() {
        for property in RULES.without_effect {
            function(&format!("{property}: !ImportValue x")).unwrap();
        }
    }

    #[test]
    fn what_the_local_stack_has_not_is_refused() {
        for (property, reason) in RULES.refused {
            assert_eq!(refusal(&format!("{property}: x")), format!("{property}: {reason}"));
        }
        assert!(
            refusal("SnapStart: {}").ends_with("the local stack doesn't support the property SnapStart: remove it")
        );
        assert!(refusal("PackageType: Image").contains("not container images"));
        let python = with_function("").replace("provided.al2023", "python3.13");
        assert!(
            read(&python)
                .unwrap_err()
                .ends_with("not the runtime python3.13: use provided.al2023")
        );
    }

    #[test]
    fn a_function_needs_the_sam_transform() {
        let message = read(&with_resource("AWS::Serverless::Function", "Runtime: provided.al2023")).unwrap_err();
        assert_eq!(
            message,
            "t.yaml:2: Resources.It: AWS::Serverless::Function needs Transform: AWS::Serverless-2016-10-31 at the top"
        );
    }
}
