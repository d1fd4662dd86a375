//! What the template's references mean: parameters, pseudo parameters, conditions, mappings and resources.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::{
    error::Problem,
    model::Settings,
    node::{Node, Value},
};

/// Everything that an intrinsic function may refer to. It is filled in the order in which CloudFormation allows references:
/// parameters, then conditions, then resources.
pub(crate) struct Scope<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) parameters: BTreeMap<String, Value>,
    /// The template's `Mappings`, if any.
    pub(crate) mappings: Option<&'a Node>,
    pub(crate) conditions: BTreeMap<String, bool>,
    pub(crate) resources: BTreeMap<String, Resource>,
    /// How many bytes references and functions have made so far.
    pub(crate) made: Cell<usize>,
}

/// What references and functions may make in all, in bytes. No template needs more; a few that repeat each other's values could
/// exhaust the memory.
const MOST_MADE: usize = 32 * 1024 * 1024;

/// A resource as others see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resource {
    Queue {
        name: String,
    },
    Table {
        name: String,
    },
    Function {
        name: String,
    },
    /// It has no name yet: a name can't be made of another resource's.
    Unnamed,
    /// Its type makes no difference locally, so there is nothing to refer to.
    Skipped {
        kind: String,
    },
    /// Its condition is false.
    Absent {
        condition: String,
    },
}

impl Scope<'_> {
    /// Counts what a reference or function is about to make.
    pub(crate) fn make(&self, bytes: usize, at: &Node) -> Result<(), Problem> {
        let made = self.made.get().saturating_add(bytes);
        self.made.set(made);
        match made > MOST_MADE {
            true => Err(at.unsupported(format!("the template's functions make more than {MOST_MADE} bytes"))),
            false => Ok(()),
        }
    }

    /// A copy of a value.
    pub(crate) fn copy(&self, value: &Value, at: &Node) -> Result<Value, Problem> {
        self.make(value.size(), at)?;
        Ok(value.clone())
    }

    /// What `Ref` gives; `None` is `AWS::NoValue`.
    pub(crate) fn reference(&self, name: &str, at: &Node) -> Result<Option<Value>, Problem> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if name.starts_with("AWS::") {
            return self.pseudo_parameter(name, at).map(Some);
        }
        if let Some(value) = self.parameters.get(name) {
            return self.copy(value, at).map(Some);
        }
        let text = match self.resource(name, at)? {
            Resource::Queue { name } => self.queue_url(name),
            Resource::Table { name } | Resource::Function { name } => name.clone(),
            other => return Err(other.unreachable(name, at)),
        };
        Ok(Some(Value::Text(text)))
    }

    /// What `Fn::GetAtt` gives.
    pub(crate) fn attribute(&self, logical_id: &str, attribute: &str, at: &Node) -> Result<Value, Problem> {
        let text = match (self.resource(logical_id, at)?, attribute) {
            (Resource::Queue { name }, "Arn") => self.queue_arn(name),
            (Resource::Queue { name }, "QueueName") => name.clone(),
            (Resource::Queue { name }, "QueueUrl") => self.queue_url(name),
            (Resource::Table { name }, "Arn") => self.arn("dynamodb", &format!("table/{name}")),
            (Resource::Function { name }, "Arn") => self.arn("lambda", &format!("function:{name}")),
            (Resource::Queue { .. } | Resource::Table { .. } | Resource::Function { .. }, _) => {
                return Err(at.unsupported(format!("the local stack has no attribute {attribute} of {logical_id}")));
            }
            (other, _) => return Err(other.unreachable(logical_id, at)),
        };
        Ok(Value::Text(text))
    }

    /// Whether the template has this resource, and its condition holds.
    pub(crate) fn is_there(&self, logical_id: &str) -> bool {
        let found = self.resources.get(logical_id);
        found.is_some_and(|resource| !matches!(resource, Resource::Absent { .. }))
    }

    pub(crate) fn condition(&self, name: &str, at: &Node) -> Result<bool, Problem> {
        let known = self.conditions.get(name).copied();
        known.ok_or_else(|| {
            let meant = cli::did_you_mean(name, self.conditions.keys().map(AsRef::as_ref));
            at.invalid(format!("the template has no condition {name}{meant}"))
        })
    }

    pub(crate) fn queue_arn(&self, name: &str) -> String {
        self.arn("sqs", name)
    }

    fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.settings.endpoint, self.settings.account)
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:aws:{service}:{}:{}:{resource}",
            self.settings.region, self.settings.account
        )
    }

    fn pseudo_parameter(&self, name: &str, at: &Node) -> Result<Value, Problem> {
        let text = match name {
            "AWS::AccountId" => &self.settings.account,
            "AWS::Partition" => "aws",
            "AWS::Region" => &self.settings.region,
            "AWS::StackName" => &self.settings.stack_name,
            "AWS::URLSuffix" => "amazonaws.com",
            other => return Err(at.unsupported(format!("the local stack has no {other}; use a parameter instead"))),
        };
        Ok(Value::Text(text.to_owned()))
    }

    fn resource(&self, name: &str, at: &Node) -> Result<&Resource, Problem> {
        let found = self.resources.get(name);
        found.ok_or_else(|| {
            let known = self.parameters.keys().chain(self.resources.keys());
            let meant = cli::did_you_mean(name, known.map(String::as_str));
            at.invalid(format!("the template has no parameter or resource named {name}{meant}"))
        })
    }
}

impl Resource {
    fn unreachable(&self, logical_id: &str, at: &Node) -> Problem {
        match self {
            Self::Skipped { kind } => at.unsupported(format!(
                "the local stack creates no {kind}, so it can't refer to {logical_id}; use a parameter instead"
            )),
            Self::Absent { condition } => at.invalid(format!(
                "{logical_id} isn't created, as its condition {condition} is false"
            )),
            _ => at.unsupported(format!(
                "a name can't refer to the resource {logical_id}, only to parameters"
            )),
        }
    }
}
