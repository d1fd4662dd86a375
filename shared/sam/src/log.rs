//! `LoggingConfig` of a function, as the variables that Lambda makes of it.

use super::{
    error::Problem,
    properties::{Properties, Rules},
    scope::Scope,
};

const RULES: Rules = Rules {
    supported: &["ApplicationLogLevel", "LogFormat"],
    parts: &[],
    without_effect: &["LogGroup", "SystemLogLevel"],
    refused: &[],
};

const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// `AWS_LAMBDA_LOG_FORMAT`, and with JSON `AWS_LAMBDA_LOG_LEVEL`: Lambda takes a level only together with that format
/// (Lambda Developer Guide, "Configuring advanced logging controls").
pub(crate) fn variables(scope: &Scope<'_>, function: &Properties) -> Result<Vec<(&'static str, String)>, Problem> {
    let Some(config) = function.part(scope, "LoggingConfig", &RULES)? else {
        return Ok(Vec::new());
    };
    let format = config.one_of("LogFormat", &["JSON", "Text"])?.unwrap_or("Text");
    let level = config.one_of("ApplicationLogLevel", &LEVELS)?;
    let mut variables = vec![("AWS_LAMBDA_LOG_FORMAT", format.to_owned())];
    match (format, level) {
        ("JSON", level) => variables.push(("AWS_LAMBDA_LOG_LEVEL", level.unwrap_or("INFO").to_owned())),
        (_, Some(_)) => {
            return Err(config
                .required("ApplicationLogLevel")?
                .invalid("Lambda accepts a level only with LogFormat: JSON"));
        }
        _ => {}
    }
    Ok(variables)
}
