//! The stages in samconfig.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::same::assert_same;
use crate::{Deployment, ROOT, last, section};

/// Names and values of the parameters of a stage, in order.
type Parameters = Vec<(String, String)>;

fn config() -> toml::Table {
    let config = std::fs::read_to_string(Path::new(ROOT).join("samconfig.toml")).unwrap();
    toml::from_str(&config).unwrap()
}

/// The parameters of `sam deploy` for each stage.
fn deployments() -> BTreeMap<String, toml::Table> {
    let deployment = |(stage, config): (String, toml::Value)| {
        let deployment = config.get("deploy")?.get("parameters")?.as_table()?;
        Some((stage, deployment.clone()))
    };
    config().into_iter().filter_map(deployment).collect()
}

pub(crate) fn all() -> BTreeMap<String, Parameters> {
    let parameters = |(stage, deployment): (String, toml::Table)| {
        let pairs = deployment["parameter_overrides"].as_array().unwrap().iter();
        let pairs = pairs.map(|pair| pair.as_str().unwrap().split_once('=').unwrap());
        // SAM accepts an empty value only in quotes.
        let parameters = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()));
        (stage, parameters.collect())
    };
    deployments().into_iter().map(parameters).collect()
}

/// The names of the parameters in which two stages differ.
fn differences(one: &Parameters, other: &Parameters) -> Vec<String> {
    let pairs = one.iter().zip(other);
    let different = pairs.filter(|(one, other)| one != other);
    different.map(|((name, _), _)| name.clone()).collect()
}

#[test]
fn stages_are_dev_staging_and_prod_and_share_no_name() {
    let stages = all();
    assert_eq!(stages.keys().collect::<Vec<_>>(), ["dev", "prod", "staging"]);
    for deployment in Deployment::all() {
        let prefix = match deployment.stage.as_str() {
            "" => String::new(),
            stage => format!("{stage}-"),
        };
        for resource in &deployment.resources {
            let properties = resource.properties.as_object().unwrap().iter();
            // A policy has a name within its role.
            let others = ["MetricName", "PolicyName", "RoleName"];
            let is_own = |property: &str| property.ends_with("Name") && !others.contains(&property);
            let names = properties.filter(|(property, _)| is_own(property));
            for (_, name) in names {
                let name = name.as_str().unwrap();
                assert!(last(name).starts_with(&prefix), "{name} of {}", deployment.stage);
            }
        }
    }
}

#[test]
fn defaults_of_all_stages_only_configure_build_and_lint() {
    let config = config();
    let default = config["default"].as_table().unwrap();
    let expected = toml::toml! {
        build.parameters.beta_features = true
        build.parameters.language_extensions = true
        validate.parameters.language_extensions = true
        validate.parameters.lint = true
    };
    assert_eq!(default, &expected);
}

#[test]
fn each_stage_is_its_own_stack_and_prod_needs_confirmation() {
    for (stage, mut deployment) in deployments() {
        deployment.remove("parameter_overrides");
        let mut expected = toml::toml! {
            resolve_s3 = true
            capabilities = "CAPABILITY_IAM"
            language_extensions = true
            fail_on_empty_changeset = false
        };
        expected.insert("stack_name".to_owned(), format!("{stage}-orders").into());
        let tags = vec!["Service=orders".to_owned(), format!("Stage={stage}")];
        expected.insert("tags".to_owned(), tags.into());
        if stage == "prod" {
            expected.insert("confirm_changeset".to_owned(), true.into());
        }
        assert_eq!(deployment, expected, "{stage}");
    }
}

#[test]
fn every_stage_sets_every_parameter_in_template_order() {
    let parameters = section("Parameters", &[]);
    let names: Vec<_> = parameters.iter().map(|(name, _)| name).collect();
    for (stage, parameters) in all() {
        let named: Vec<_> = parameters.iter().map(|(name, _)| name).collect();
        assert_same(
            &format!("parameters of {stage}"),
            &named,
            &names,
            "Set in samconfig.toml, for each stage, every parameter of template.yaml: `sam deploy` keeps the old value of one that \
             a stage does not set.",
        );
        assert_eq!(named, names, "{stage}: the order is that of template.yaml");
    }
}

#[test]
fn staging_equals_prod_but_for_names_urls_and_the_time_of_logs() {
    let stages = all();
    let own = ["Prefix", "LogRetentionDays", "AlarmTopicArn"];
    let differences = differences(&stages["staging"], &stages["prod"]);
    let is_own = |name: &&String| own.contains(&name.as_str()) || name.ends_with("Url");
    let others: Vec<_> = differences.iter().filter(|name| !is_own(name)).collect();
    assert!(others.is_empty(), "staging and prod differ in {others:?}");
}

#[test]
fn each_stage_has_urls_of_its_own_over_tls() {
    let stages = all();
    let parameters = stages.values().flatten().filter(|(name, _)| name.ends_with("Url"));
    let mut urls = BTreeSet::new();
    for (name, url) in parameters {
        assert!(url.starts_with("https://"), "{name} is {url}");
        assert!(urls.insert((name, url)), "two stages have the {name} {url}");
    }
}
