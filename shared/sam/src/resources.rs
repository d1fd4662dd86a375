//! Which resources a template declares, what the local stack does about each type, and their names.

use super::{
    declared::{Declared, Kind},
    error::Problem,
    node::Node,
    properties::unknown,
    scope::{Resource, Scope},
};

/// Types that change nothing one could observe on one machine.
const WITHOUT_EFFECT: [&str; 16] = [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::IAM::RolePolicy",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
];

/// What a resource may have beside its type and properties; none of it matters to a local stack.
const ATTRIBUTES: [&str; 7] = [
    "Condition",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdateReplacePolicy",
];

/// Finds the resources to create, in the template's order, and enters them all into the scope.
pub(crate) fn declare<'a>(template: &'a Node, scope: &mut Scope<'_>) -> Result<Vec<Declared<'a>>, Problem> {
    let resources = template
        .get("Resources")
        .ok_or_else(|| template.invalid("the template has no Resources"))?;
    let mut declared = Vec::new();
    for (logical_id, node) in resources.map()? {
        let kind = kind(logical_id, node)?;
        let entry = match (false_condition(node, scope)?, &kind) {
            (Some(condition), _) => Resource::Absent { condition },
            (None, None) => Resource::Skipped {
                kind: type_of(node)?.to_owned(),
            },
            (None, Some(_)) => Resource::Unnamed,
        };
        if let (Resource::Unnamed, Some(kind)) = (&entry, kind) {
            let properties = node
                .get("Properties")
                .cloned()
                .unwrap_or_else(|| node.empty_child("Properties"));
            declared.push(Declared {
                logical_id,
                name: String::new(),
                kind,
                node,
                properties,
            });
        }
        scope.resources.insert(logical_id.clone(), entry);
    }
    Ok(declared)
}

/// Gives each declared resource its name, so that others can refer to it.
pub(crate) fn name(declared: &mut [Declared<'_>], scope: &mut Scope<'_>) -> Result<(), Problem> {
    for resource in declared.iter_mut() {
        resource.name = name_of(resource, scope)?;
    }
    for (index, resource) in declared.iter().enumerate() {
        let same = |other: &&Declared<'_>| other.kind == resource.kind && other.name == resource.name;
        if let Some(earlier) = declared[..index].iter().find(same) {
            return Err(resource.node.invalid(format!(
                "{} already has the name {:?}",
                earlier.logical_id, earlier.name
            )));
        }
        scope
            .resources
            .insert(resource.logical_id.to_owned(), resource.as_seen_by_others()?);
    }
    Ok(())
}

impl Declared<'_> {
    fn as_seen_by_others(&self) -> Result<Resource, Problem> {
        let name = self.name.clone();
        Ok(match self.kind {
            Kind::Queue => Resource::Queue { name },
            Kind::Table => Resource::Table { name },
            Kind::Function => Resource::Function { name },
            Kind::Mapping => Resource::Skipped {
                kind: type_of(self.node)?.to_owned(),
            },
        })
    }
}

fn name_of(resource: &Declared<'_>, scope: &Scope<'_>) -> Result<String, Problem> {
    let explicit = |property| explicit_name(resource, scope, property);
    let derived = format!("{}-{}", scope.settings.stack_name, resource.logical_id);
    Ok(match resource.kind {
        Kind::Queue => super::queue::name(resource, scope, explicit("QueueName")?, derived)?,
        Kind::Table => explicit("TableName")?.unwrap_or(derived),
        Kind::Function => explicit("FunctionName")?.unwrap_or(derived),
        // A mapping has no name, and nothing refers to it.
        Kind::Mapping => resource.logical_id.to_owned(),
    })
}

fn explicit_name(resource: &Declared<'_>, scope: &Scope<'_>, property: &str) -> Result<Option<String>, Problem> {
    let name = resource
        .properties
        .get(property)
        .map(|name| scope.resolve(name))
        .transpose()?
        .flatten();
    name.map(|name| valid_name(&name)).transpose()
}

/// The characters that SQS, DynamoDB and Lambda all take (DynamoDB's dot is left out).
fn valid_name(name: &Node) -> Result<String, Problem> {
    let text = name.text()?;
    let stem = text.strip_suffix(".fifo").unwrap_or(text);
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if stem.is_empty() || text.len() > 80 || !stem.chars().all(valid) {
        return Err(name.invalid(format!(
            "must be 1 to 80 letters, digits, hyphens and underscores, not {text:?}"
        )));
    }
    Ok(text.to_owned())
}

fn kind(logical_id: &str, node: &Node) -> Result<Option<Kind>, Problem> {
    if logical_id.starts_with("Fn::") {
        return Err(node.unsupported(format!(
            "the local stack can't evaluate {logical_id}: write the resources out"
        )));
    }
    if let Some((name, attribute)) = node
        .map()?
        .iter()
        .find(|(name, _)| !ATTRIBUTES.contains(&name.as_str()))
    {
        return Err(attribute.unsupported(unknown(name, name, ATTRIBUTES)));
    }
    let refuse = |advice: &str| Err(node.unsupported(advice));
    match type_of(node)? {
        "AWS::SQS::Queue" => Ok(Some(Kind::Queue)),
        "AWS::DynamoDB::Table" => Ok(Some(Kind::Table)),
        "AWS::Serverless::Function" => Ok(Some(Kind::Function)),
        "AWS::Lambda::EventSourceMapping" => Ok(Some(Kind::Mapping)),
        "AWS::Serverless::SimpleTable" => {
            refuse("the local stack creates no AWS::Serverless::SimpleTable: write it as an AWS::DynamoDB::Table")
        }
        "AWS::Lambda::Function" => {
            refuse("the local stack creates no AWS::Lambda::Function: write it as an AWS::Serverless::Function")
        }
        skipped if WITHOUT_EFFECT.contains(&skipped) => Ok(None),
        other => match cli::similar(other, known_types()) {
            Some(similar) => refuse(&format!("the local stack creates no {other}: did you mean {similar}?")),
            None => refuse(&format!(
                "the local stack creates no {other}: remove it, or name a template without it with --template FILE"
            )),
        },
    }
}

fn known_types() -> impl Iterator<Item = &'static str> {
    let created = [
        "AWS::SQS::Queue",
        "AWS::DynamoDB::Table",
        "AWS::Serverless::Function",
        "AWS::Lambda::EventSourceMapping",
    ];
    created.into_iter().chain(WITHOUT_EFFECT)
}

fn type_of(node: &Node) -> Result<&str, Problem> {
    node.get("Type").ok_or_else(|| node.invalid("Type is missing"))?.text()
}

fn false_condition(node: &Node, scope: &Scope<'_>) -> Result<Option<String>, Problem> {
    let Some(condition) = node.get("Condition") else {
        return Ok(None);
    };
    let name = condition.text()?;
    Ok((!scope.condition(name, condition)?).then(|| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, with_resource};

    fn refusal(resource: &str) -> String {
        read(&format!("Resources:\n  It: {resource}\n")).unwrap_err()
    }

    #[test]
    fn what_makes_no_difference_locally_is_skipped() {
        for kind in super::WITHOUT_EFFECT {
            let template = read(&with_resource(kind, "Anything: !ImportValue goes")).unwrap();
            assert_eq!(
                (template.queues.len(), template.tables.len(), template.functions.len()),
                (0, 0, 0)
            );
        }
    }

    #[test]
    fn a_production_template_is_no_obstacle() {
        let template = "
Conditions: {Never: !Equals [a, b]}
Resources:
  Q:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    DependsOn: Key
    Properties: {KmsMasterKeyId: !GetAtt Key.Arn, SqsManagedSseEnabled: false, Tags: [{Key: a, Value: b}]}
  Key: {Type: AWS::KMS::Key, Properties: {}}
  Later: {Type: AWS::DynamoDB::Table, Condition: Never, Properties: {StreamSpecification: {}}}
Outputs:
  Url: {Value: !GetAtt Key.Arn, Export: {Name: x}}
";
        assert_eq!(read(template).unwrap().queues[0].name, "local-Q");
    }

    #[test]
    fn a_type_that_is_not_emulated_is_refused() {
        let message = refusal("{Type: AWS::S3::Bucket}");
        assert!(
            message.starts_with("t.yaml:2: Resources.It: the local stack creates no AWS::S3::Bucket: "),
            "{message}"
        );
        assert!(refusal("{Type: AWS::Serverless::SimpleTable}").ends_with("write it as an AWS::DynamoDB::Table"));
        assert!(refusal("{Type: AWS::Lambda::Function}").ends_with("write it as an AWS::Serverless::Function"));
        assert!(
            refusal("{Type: AWS::SQS::Queues}").ends_with("creates no AWS::SQS::Queues: did you mean AWS::SQS::Queue?")
        );
        assert_eq!(refusal("{Properties: {}}"), "t.yaml:2: Resources.It: Type is missing");
    }

    #[test]
    fn an_unknown_attribute_or_section_is_refused() {
        assert!(
            refusal("{Type: AWS::SQS::Queue, CreationPolicy: {}}")
                .ends_with("doesn't support CreationPolicy: remove it")
        );
        let message = read("Rules: {}\nResources: {}\n").unwrap_err();
        assert_eq!(
            message,
            "t.yaml:1: Rules: the local stack doesn't support the section Rules: remove it"
        );
        assert!(refusal("{Type: AWS::SQS::Queue, DependOn: X}").ends_with("know DependOn: did you mean DependsOn?"));
        let message = read("Paramters: {}\nResources: {}\n").unwrap_err();
        assert!(
            message.ends_with("know the section Paramters: did you mean Parameters?"),
            "{message}"
        );
        assert_eq!(
            read("Description: x\n").unwrap_err(),
            "t.yaml:1: the template: the template has no Resources"
        );
    }

    #[test]
    fn two_resources_of_one_name_are_refused() {
        let queue = |id: &str| format!("  {id}: {{Type: AWS::SQS::Queue, Properties: {{QueueName: jobs}}}}\n");
        let message = read(&format!("Resources:\n{}{}", queue("A"), queue("B"))).unwrap_err();
        assert_eq!(message, "t.yaml:3: Resources.B: A already has the name \"jobs\"");
    }

    #[test]
    fn a_name_is_made_of_parameters_only() {
        let template = "Resources:\n  A: {Type: AWS::SQS::Queue}\n  B: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${A.QueueName}-b'}}\n";
        assert!(
            read(template)
                .unwrap_err()
                .ends_with("a name can't refer to the resource A, only to parameters")
        );
    }

    #[test]
    fn a_name_that_the_service_would_refuse_is_refused() {
        let message = read(&with_resource("AWS::SQS::Queue", "QueueName: a b")).unwrap_err();
        assert!(
            message.ends_with("must be 1 to 80 letters, digits, hyphens and underscores, not \"a b\""),
            "{message}"
        );
    }
}
