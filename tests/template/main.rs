//! Requirements of a deployment that no linter checks, for the template's defaults and for each stage in samconfig.toml.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod alarms;
mod dashboard;
mod environment;
mod mappings;
mod properties;
mod queues;
mod retention;
mod roles;
mod same;
mod stages;

use std::path::{Path, PathBuf};

use sam::{Queue, Resource, Settings, Template};
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The template with the parameters of a stage.
struct Deployment {
    /// `dev`, `staging` or `prod`; empty for the template's defaults.
    stage: String,
    /// The parts that the local stack reads.
    template: Template,
    /// All resources.
    resources: Vec<Resource>,
}

impl Deployment {
    fn with(stage: &str, parameters: &[(&str, &str)]) -> Self {
        let settings = settings(parameters);
        Self {
            stage: stage.to_owned(),
            template: Template::read(&path(), &settings).unwrap(),
            resources: Template::resources(&path(), &settings).unwrap(),
        }
    }

    /// The template's defaults.
    fn default() -> Self {
        Self::with("", &[])
    }

    /// The template's defaults, and each stage.
    fn all() -> Vec<Self> {
        let stages = stages::all().into_iter().map(|(stage, parameters)| {
            let parameters = parameters.iter();
            let parameters = parameters.map(|(name, value)| (name.as_str(), value.as_str()));
            Self::with(&stage, &parameters.collect::<Vec<_>>())
        });
        std::iter::once(Self::default()).chain(stages).collect()
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(move |resource| resource.kind == kind)
    }

    fn resource(&self, logical_id: &str) -> &Resource {
        let mut resources = self.resources.iter();
        let found = resources.find(|resource| resource.logical_id == logical_id);
        found.unwrap_or_else(|| panic!("there is no {logical_id}"))
    }

    fn queue(&self, name: &str) -> &Queue {
        let mut queues = self.template.queues.iter();
        queues.find(|queue| queue.name == name).unwrap()
    }

    /// The name of the queue that a queue redrives to.
    fn dead_letter_queue(&self, queue: &str) -> String {
        let policy: Value = serde_json::from_str(&self.queue(queue).attributes["RedrivePolicy"]).unwrap();
        last(policy["deadLetterTargetArn"].as_str().unwrap()).to_owned()
    }
}

fn path() -> PathBuf {
    Path::new(ROOT).join("template.yaml")
}

/// The entries of a section of the template, in its order.
fn section(name: &str, parameters: &[(&str, &str)]) -> Vec<(String, Value)> {
    Template::section(&path(), &settings(parameters), name).unwrap()
}

fn settings(parameters: &[(&str, &str)]) -> Settings {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings {
        parameters: parameters.iter().map(owned).collect(),
        urls: Some("https://example.com".to_owned()),
        ..Settings::default()
    }
}

/// The name at the end of an ARN or URL.
fn last(arn: &str) -> &str {
    arn.rsplit([':', '/']).next().unwrap_or_default()
}

/// One value or a list, because IAM and CloudFormation accept both.
fn each(one_or_list: &Value) -> Vec<&Value> {
    match one_or_list {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}
