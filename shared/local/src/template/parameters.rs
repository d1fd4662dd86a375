//! The values of the template's parameters: overrides and defaults, checked as CloudFormation checks them.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::{
    error::Problem,
    node::{Node, Value},
};

/// The value of every parameter, by name.
pub(crate) fn read(template: &Node, overrides: &BTreeMap<String, String>) -> Result<BTreeMap<String, Value>, Problem> {
    let declared = template
        .get("Parameters")
        .map(Node::map)
        .transpose()?
        .unwrap_or_default();
    if let Some(name) = overrides
        .keys()
        .find(|name| !declared.iter().any(|(known, _)| known == *name))
    {
        let known: Vec<_> = declared.iter().map(|(known, _)| known.as_str()).collect();
        return Err(Problem::UnknownParameter {
            name: name.clone(),
            known: known.join(", "),
        });
    }
    let value = |(name, parameter): &(String, Node)| Ok((name.clone(), value(name, parameter, overrides.get(name))?));
    declared.iter().map(value).collect()
}

fn value(name: &str, parameter: &Node, given: Option<&String>) -> Result<Value, Problem> {
    only_known_rules(parameter)?;
    let default = parameter.get("Default").map(Node::text).transpose()?;
    let text = given.map(String::as_str).or(default).ok_or_else(|| {
        parameter.invalid(format!(
            "the parameter has no value and no Default; give one with --parameter {name}=VALUE"
        ))
    })?;
    let kind = parameter
        .get("Type")
        .ok_or_else(|| parameter.invalid("Type is missing"))?;
    let list = || -> Vec<&str> { text.split(',').map(str::trim).collect() };
    let (values, value) = match kind.text()? {
        "String" | "Number" => (vec![text], Value::Text(text.to_owned())),
        "CommaDelimitedList" | "List<Number>" => (
            list(),
            Value::List(
                list()
                    .into_iter()
                    .map(|item| parameter.with(Value::Text(item.to_owned())))
                    .collect(),
            ),
        ),
        other => {
            return Err(kind.unsupported(format!(
                "the local stack has no values of type {other}: use String, Number, CommaDelimitedList or List<Number>"
            )));
        }
    };
    let number = kind.text()?.contains("Number");
    values.iter().try_for_each(|value| check(parameter, value, number))?;
    Ok(value)
}

fn only_known_rules(parameter: &Node) -> Result<(), Problem> {
    const KNOWN: [&str; 11] = [
        "AllowedPattern",
        "AllowedValues",
        "ConstraintDescription",
        "Default",
        "Description",
        "MaxLength",
        "MaxValue",
        "MinLength",
        "MinValue",
        "NoEcho",
        "Type",
    ];
    let unknown = parameter
        .map()?
        .iter()
        .find(|(name, _)| !KNOWN.contains(&name.as_str()));
    unknown.map_or(Ok(()), |(name, node)| {
        Err(node.invalid(format!("a parameter has no {name}")))
    })
}

/// Checks one value (or one item of a list) against the parameter's own rules.
fn check(parameter: &Node, value: &str, number: bool) -> Result<(), Problem> {
    let must_be = |holds: bool, rule: String| match holds {
        true => Ok(()),
        false => Err(parameter.invalid(format!("must be {rule}, not {value:?}"))),
    };
    if let Some(allowed) = parameter.get("AllowedValues") {
        let allowed = allowed.texts()?;
        must_be(allowed.contains(&value), format!("one of {}", allowed.join(", ")))?;
    }
    if let Some(pattern) = parameter.get("AllowedPattern") {
        must_be(matches_whole(pattern, value)?, constraint(parameter, pattern)?)?;
    }
    let (size, least, most, unit) = if number {
        (value.parse().ok(), "MinValue", "MaxValue", "")
    } else {
        (
            Some(value.chars().count() as f64),
            "MinLength",
            "MaxLength",
            " characters long",
        )
    };
    must_be(size.is_some(), "a number".to_owned())?;
    if let Some(least) = bound(parameter, least)? {
        must_be(size >= Some(least), format!("at least {least}{unit}"))?;
    }
    if let Some(most) = bound(parameter, most)? {
        must_be(size <= Some(most), format!("at most {most}{unit}"))?;
    }
    Ok(())
}

/// "The pattern must match the entire parameter value provided" (CloudFormation User Guide, "Parameters").
fn matches_whole(pattern: &Node, value: &str) -> Result<bool, Problem> {
    let regex = Regex::new(&format!("^(?:{})$", pattern.text()?));
    let regex =
        regex.map_err(|error| pattern.unsupported(format!("the local stack can't check this pattern: {error}")))?;
    Ok(regex.is_match(value))
}

/// What the author of a value is told: the template's own words if it has any.
fn constraint(parameter: &Node, pattern: &Node) -> Result<String, Problem> {
    match parameter.get("ConstraintDescription") {
        Some(words) => Ok(words.text()?.to_owned()),
        None => Ok(format!("a text that matches {}", pattern.text()?)),
    }
}

fn bound(parameter: &Node, name: &str) -> Result<Option<f64>, Problem> {
    let Some(bound) = parameter.get(name) else {
        return Ok(None);
    };
    bound
        .text()?
        .parse()
        .map(Some)
        .map_err(|_| bound.invalid("must be a number"))
}
