//! The environment variables a function process gets.

use std::{collections::BTreeMap, path::Path};

use super::function::Function;

/// Where and as what a process runs, as far as its environment states it.
pub(super) struct Surroundings<'a> {
    /// The URL of the Runtime API for this process.
    pub(super) runtime_api: String,
    pub(super) region: &'a str,
    /// The process's ID, which names its log stream.
    pub(super) process: &'a str,
}

/// All variables of a process of the function: those that Lambda sets, overlaid by the function's own.
///
/// The list is [Defined runtime environment variables](https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime),
/// except those that only extensions and X-Ray read. The credentials are dummies: nothing local checks them, but clients refuse to start without.
pub(super) fn variables(function: &Function, surroundings: &Surroundings<'_>) -> BTreeMap<String, String> {
    let task_root = function.command.first().and_then(|program| Path::new(program).parent());
    let mut variables: BTreeMap<String, String> = [
        ("_HANDLER", "bootstrap".to_owned()),
        ("AWS_REGION", surroundings.region.to_owned()),
        ("AWS_DEFAULT_REGION", surroundings.region.to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        // By which the stack knows whose request it is.
        ("AWS_SESSION_TOKEN", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        (
            "AWS_LAMBDA_LOG_STREAM_NAME",
            format!("local/[$LATEST]{}", surroundings.process),
        ),
        ("AWS_LAMBDA_RUNTIME_API", surroundings.runtime_api.clone()),
        (
            "LAMBDA_TASK_ROOT",
            task_root.unwrap_or(Path::new("/")).display().to_string(),
        ),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if function.environment.contains_key("AWS_ACCESS_KEY_ID") {
        // Long-lived credentials have no token, and AWS refuses them with one that is not theirs.
        variables.remove("AWS_SESSION_TOKEN");
    }
    variables.extend(function.environment.clone());
    variables
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn function(environment: &[(&str, &str)]) -> Function {
        Function {
            name: "place-order".to_owned(),
            command: vec!["/srv/bin/place-order".to_owned()],
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            timeout: Duration::from_secs(3),
            memory_mb: 256,
        }
    }

    fn variables_of(function: &Function) -> BTreeMap<String, String> {
        let runtime_api = "http://127.0.0.1:4566/_lambda/1".to_owned();
        variables(
            function,
            &Surroundings {
                runtime_api,
                region: "eu-west-1",
                process: "1",
            },
        )
    }

    #[test]
    fn a_function_gets_the_variables_of_lambda() {
        let variables = variables_of(&function(&[]));
        assert_eq!(variables["AWS_LAMBDA_FUNCTION_NAME"], "place-order");
        assert_eq!(variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "256");
        assert_eq!(variables["AWS_LAMBDA_RUNTIME_API"], "http://127.0.0.1:4566/_lambda/1");
        assert_eq!(variables["AWS_LAMBDA_LOG_GROUP_NAME"], "/aws/lambda/place-order");
        assert_eq!(variables["AWS_REGION"], "eu-west-1");
        assert_eq!(variables["LAMBDA_TASK_ROOT"], "/srv/bin");
        assert_eq!(variables["TZ"], ":UTC");
    }

    #[test]
    fn the_functions_own_variables_win() {
        let variables = variables_of(&function(&[("AWS_REGION", "us-east-2"), ("TABLE", "orders")]));
        assert_eq!(variables["AWS_REGION"], "us-east-2");
        assert_eq!(variables["TABLE"], "orders");
        assert_eq!(variables["AWS_DEFAULT_REGION"], "eu-west-1");
    }

    #[test]
    fn long_lived_credentials_get_no_token() {
        let token = |environment: &[(&str, &str)]| variables_of(&function(environment)).remove("AWS_SESSION_TOKEN");
        let (key, secret) = (("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s"));
        assert_eq!(token(&[key, secret]), None);
        assert_eq!(token(&[key, secret, ("AWS_SESSION_TOKEN", "t")]).as_deref(), Some("t"));
        assert_eq!(token(&[]).as_deref(), Some("place-order"), "dummies name the function");
    }
}
