//! What a deployment must not lack, and no linter demands: of the template's defaults, and of each stage in samconfig.toml.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod alarms;
mod environment;
mod kept;
mod mappings;
mod queues;
mod roles;

use std::collections::BTreeMap;
use std::path::Path;

use local::template::{Queue, Resource, Settings, Template};
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The template with the parameters of a stage.
struct Deployment {
    /// `dev`, `staging` or `prod`; empty for the template's defaults.
    stage: String,
    /// What the local stack reads of it.
    template: Template,
    /// All of it.
    resources: Vec<Resource>,
}

impl Deployment {
    fn with(stage: &str, parameters: &[(&str, &str)]) -> Self {
        let path = Path::new(ROOT).join("template.yaml");
        let settings = settings(parameters);
        Self {
            stage: stage.to_owned(),
            template: Template::read(&path, &settings).unwrap(),
            resources: Template::resources(&path, &settings).unwrap(),
        }
    }

    /// The template's defaults.
    fn default() -> Self {
        Self::with("", &[])
    }

    /// The template's defaults, and each stage.
    fn all() -> Vec<Self> {
        let stages = stages().into_iter().map(|(stage, parameters)| {
            let parameters: Vec<_> = parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            Self::with(&stage, &parameters)
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

fn settings(parameters: &[(&str, &str)]) -> Settings {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings {
        parameters: parameters.iter().map(owned).collect(),
        fallbacks: BTreeMap::from([("NotificationUrl".to_owned(), "https://example.com".to_owned())]),
        ..Settings::default()
    }
}

/// The parameters of each stage in samconfig.toml.
fn stages() -> BTreeMap<String, BTreeMap<String, String>> {
    let config = std::fs::read_to_string(Path::new(ROOT).join("samconfig.toml")).unwrap();
    let config: toml::Table = toml::from_str(&config).unwrap();
    let overrides = |(stage, config): (&String, &toml::Value)| {
        let overrides = config.get("deploy")?.get("parameters")?.get("parameter_overrides")?;
        let pairs = overrides.as_array()?.iter().map(|pair| pair.as_str().unwrap());
        let parameters = pairs.map(|pair| pair.split_once('=').unwrap());
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some((stage.clone(), parameters.collect()))
    };
    config.iter().filter_map(overrides).collect()
}

/// The name at the end of an ARN or URL.
fn last(arn: &str) -> &str {
    arn.rsplit([':', '/']).next().unwrap_or_default()
}

/// One or a list, as IAM and CloudFormation take either.
fn each(one_or_list: &Value) -> Vec<&Value> {
    match one_or_list {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

#[test]
fn the_stages_are_dev_staging_and_prod_and_share_no_name() {
    let stages = stages();
    assert_eq!(stages.keys().collect::<Vec<_>>(), ["dev", "prod", "staging"]);
    for (stage, parameters) in &stages {
        assert_eq!(parameters["Prefix"], format!("{stage}-"));
    }
    for deployment in Deployment::all() {
        let prefix = stages
            .get(&deployment.stage)
            .map_or("", |parameters| &parameters["Prefix"]);
        let template = &deployment.template;
        let functions = template.functions.iter().map(|function| &function.name);
        let queues = template.queues.iter().map(|queue| &queue.name);
        let tables = template.tables.iter().map(|table| &table.name);
        for name in functions.chain(queues).chain(tables) {
            assert!(name.starts_with(prefix), "{name} of {}", deployment.stage);
        }
    }
}
