//! Everything in a template, also what the local stack doesn't use: for tests of what is deployed.

use std::path::Path;

use serde_json::Value as Json;

use super::{
    Settings, Template, TemplateError,
    error::Problem,
    globals,
    node::{Node, Value},
    read::{in_file, with_scope},
    scope::Scope,
};

/// A resource as it would be deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type, such as `AWS::SQS::Queue`.
    pub kind: String,
    /// Its properties, a function's merged with the template's globals; scalars are texts. A function that only AWS can
    /// evaluate, such as the ARN of a role, stands there in its long form.
    pub properties: Json,
    /// Its `DeletionPolicy`, if it states one.
    pub deletion_policy: Option<String>,
    /// Its `UpdateReplacePolicy`, if it states one.
    pub update_replace_policy: Option<String>,
}

impl Template {
    /// Every resource of the template at `path`, in its order, but for those whose condition is false.
    ///
    /// # Errors
    /// As [`Template::read`].
    pub fn resources(path: &Path, settings: &Settings) -> Result<Vec<Resource>, TemplateError> {
        in_file(path, |source| resources(source, settings))
    }

    /// The entries of a section of the template at `path`, such as `Parameters` or `Outputs`, in its order; they are as a
    /// resource's properties are.
    ///
    /// # Errors
    /// As [`Template::read`].
    pub fn section(path: &Path, settings: &Settings, name: &str) -> Result<Vec<(String, Json)>, TemplateError> {
        in_file(path, |source| section(source, settings, name))
    }
}

fn section(source: &str, settings: &Settings, name: &str) -> Result<Vec<(String, Json)>, Problem> {
    with_scope(source, settings, |root, scope, _| {
        let entries = root.get(name).map(Node::map).transpose()?.unwrap_or_default();
        let there = entries
            .iter()
            .map(|(name, entry)| Some((name.clone(), evaluated(scope, entry)?)));
        Ok(there.flatten().collect())
    })
}

fn resources(source: &str, settings: &Settings) -> Result<Vec<Resource>, Problem> {
    with_scope(source, settings, |root, scope, _| {
        let all = root.get("Resources").map(Node::map).transpose()?.unwrap_or_default();
        let there = all.iter().filter(|(logical_id, _)| scope.is_there(logical_id));
        there
            .map(|(logical_id, node)| resource(root, scope, logical_id, node))
            .collect()
    })
}

fn resource(root: &Node, scope: &Scope<'_>, logical_id: &str, node: &Node) -> Result<Resource, Problem> {
    let text = |name| Ok(node.get(name).map(Node::text).transpose()?.map(str::to_owned));
    let kind = text("Type")?.unwrap_or_default();
    let own = node.get("Properties").cloned();
    let own = own.unwrap_or_else(|| node.empty_child("Properties"));
    let properties = match kind.as_str() {
        "AWS::Serverless::Function" => globals::over(root, scope, &own)?,
        _ => own,
    };
    Ok(Resource {
        logical_id: logical_id.to_owned(),
        kind,
        properties: evaluated(scope, &properties).unwrap_or_default(),
        deletion_policy: text("DeletionPolicy")?,
        update_replace_policy: text("UpdateReplacePolicy")?,
    })
}

/// The node as JSON, evaluated as far as it can be; `None` is `AWS::NoValue`.
fn evaluated(scope: &Scope<'_>, node: &Node) -> Option<Json> {
    match scope.resolve_shallow(node) {
        Ok(Some(chosen)) => Some(match &chosen.value {
            Value::List(items) => items.iter().filter_map(|item| evaluated(scope, item)).collect(),
            Value::Map(entries) => entries
                .iter()
                .filter_map(|(name, entry)| Some((name.clone(), evaluated(scope, entry)?)))
                .collect(),
            _ => chosen.to_json(),
        }),
        Ok(None) => None,
        Err(_) => Some(node.to_json()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters: {Traced: {Type: String, Default: 'no'}}
Conditions: {IsTraced: !Equals [!Ref Traced, 'yes']}
Globals: {Function: {Timeout: 5, LoggingConfig: {LogFormat: JSON}}}
Resources:
  Jobs: {Type: AWS::SQS::Queue, DeletionPolicy: Retain, Properties: {QueueName: jobs}}
  Logs: {Type: AWS::Logs::LogGroup}
  Later: {Type: AWS::SQS::Queue, Condition: IsTraced}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Statement:
        - {Resource: !GetAtt Jobs.Arn, Action: [a, b]}
        - Resource: !GetAtt Logs.Arn
        - !If [IsTraced, {Resource: '*'}, !Ref AWS::NoValue]
  Work:
    Type: AWS::Serverless::Function
    Properties: {Runtime: provided.al2023, CodeUri: work, LoggingConfig: {LogGroup: !Ref Logs}}
Outputs:
  WorkName: {Value: !Ref Work}
  JobsName: {Value: !GetAtt Jobs.QueueName}
  LogsArn: {Value: !GetAtt Logs.Arn}
";

    fn read(traced: &str) -> Vec<Resource> {
        let settings = Settings {
            parameters: [("Traced".to_owned(), traced.to_owned())].into(),
            ..Settings::default()
        };
        resources(TEMPLATE, &settings).unwrap()
    }

    #[test]
    fn resources_that_are_not_created_keep_type_and_policies() {
        let resources = read("no");
        let seen: Vec<_> = resources
            .iter()
            .map(|resource| (resource.logical_id.as_str(), resource.kind.as_str()))
            .collect();
        let expected = [
            ("Jobs", "AWS::SQS::Queue"),
            ("Logs", "AWS::Logs::LogGroup"),
            ("Role", "AWS::IAM::Role"),
            ("Work", "AWS::Serverless::Function"),
        ];
        assert_eq!(seen, expected);
        assert_eq!(resources[0].deletion_policy.as_deref(), Some("Retain"));
        assert_eq!(resources[1].properties, json!({}));
    }

    #[test]
    fn what_only_aws_can_evaluate_stays_a_function() {
        let expected = json!([
            {"Resource": "arn:aws:sqs:us-east-1:000000000000:jobs", "Action": ["a", "b"]},
            {"Resource": {"Fn::GetAtt": "Logs.Arn"}},
        ]);
        assert_eq!(read("no")[2].properties["Statement"], expected);
        assert_eq!(read("yes")[3].properties["Statement"][2], json!({"Resource": "*"}));
    }

    #[test]
    fn a_function_has_the_globals() {
        let work = &read("no")[3].properties;
        let logging = json!({"LogFormat": "JSON", "LogGroup": {"Ref": "Logs"}});
        assert_eq!((&work["Timeout"], &work["LoggingConfig"]), (&json!("5"), &logging));
    }

    #[test]
    fn entries_of_a_section_keep_their_order() {
        let read = |name| section(TEMPLATE, &Settings::default(), name).unwrap();
        let entry = |name: &str, value| (name.to_owned(), json!({"Value": value}));
        let expected = [
            entry("WorkName", json!("local-Work")),
            entry("JobsName", json!("jobs")),
            entry("LogsArn", json!({"Fn::GetAtt": "Logs.Arn"})),
        ];
        assert_eq!(read("Outputs"), expected);
        assert_eq!(read("Mappings"), []);
    }
}
