//! Small templates for tests.

use super::{Settings, Template, read::resolve};

/// Reads a template given as text; an error as the user would read it, about `t.yaml`.
pub(crate) fn read(source: &str) -> Result<Template, String> {
    read_with(source, &[])
}

/// As [`read`], with overrides of parameters.
pub(crate) fn read_with(source: &str, overrides: &[(&str, &str)]) -> Result<Template, String> {
    let parameters = overrides
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let settings = Settings {
        parameters,
        ..Settings::default()
    };
    resolve(source, &settings).map_err(|problem| problem.in_file("t.yaml".into()).to_string())
}

/// A template with one function whose properties are these lines, beside a queue `Jobs`.
pub(crate) fn with_function(properties: &str) -> String {
    let properties: String = properties.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: jobs
      VisibilityTimeout: 180
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      CodeUri: target/lambda/work/
{properties}"
    )
}

/// A template whose only resource is `It`, of this type, with these properties.
pub(crate) fn with_resource(kind: &str, properties: &str) -> String {
    let properties: String = properties.lines().map(|line| format!("      {line}\n")).collect();
    format!("Resources:\n  It:\n    Type: {kind}\n    Properties:\n{properties}")
}
