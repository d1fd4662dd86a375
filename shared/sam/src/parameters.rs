//! The values of the template's parameters: overrides and defaults, checked as CloudFormation checks them.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::{Regex, RegexBuilder};

use super::{
    Settings,
    error::Problem,
    node::{Node, Value},
};

/// The longest value of a parameter that CloudFormation accepts, in bytes:
/// [quotas](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
const LONGEST: usize = 4_096;

/// The largest pattern, compiled, in bytes. A value of the greatest length is then checked in much less than a second.
const LARGEST_PATTERN: usize = 256 * 1024;

/// The value of every parameter, by name.
pub(crate) fn read(template: &Node, settings: &Settings) -> Result<BTreeMap<String, Value>, Problem> {
    let declared = template
        .get("Parameters")
        .map(Node::map)
        .transpose()?
        .unwrap_or_default();
    if let Some(name) = settings
        .parameters
        .keys()
        .find(|name| !declared.iter().any(|(known, _)| known == *name))
    {
        let known: Vec<_> = declared.iter().map(|(known, _)| known.as_str()).collect();
        let advice = match cli::similar(name, known.iter().copied()) {
            Some(similar) => format!("did you mean {similar}?"),
            None => format!("the template has: {}", known.join(", ")),
        };
        return Err(Problem::UnknownParameter {
            name: name.clone(),
            advice,
        });
    }
    let value = |(name, parameter): &(String, Node)| {
        let url = url(name, parameter, settings);
        let given = settings.parameters.get(name).or(url.as_ref());
        Ok((name.clone(), value(name, parameter, given)?))
    };
    declared.iter().map(value).collect()
}

/// The value of a parameter that is the URL of a service, and that nothing else gives a value.
fn url(name: &str, parameter: &Node, settings: &Settings) -> Option<String> {
    let has_value = settings.parameters.contains_key(name) || parameter.get("Default").is_some();
    let urls = settings.urls.as_ref()?;
    (name.ends_with("Url") && !has_value).then(|| format!("{urls}/{name}"))
}

/// The parameters whose value is a [`url`], sorted.
pub(crate) fn urls(template: &Node, settings: &Settings) -> Result<Vec<String>, Problem> {
    let declared = template.get("Parameters").map(Node::map).transpose()?;
    let declared = declared.unwrap_or_default().iter();
    let urls = declared.filter(|(name, parameter)| url(name, parameter, settings).is_some());
    let mut urls: Vec<_> = urls.map(|(name, _)| name.clone()).collect();
    urls.sort();
    Ok(urls)
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
    if text.len() > LONGEST {
        return Err(parameter.invalid(format!("a value has at most {LONGEST} bytes, not {}", text.len())));
    }
    check(parameter, &values, number)?;
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
        Err(node.invalid(format!("a parameter has no {name}{}", cli::did_you_mean(name, KNOWN))))
    })
}

/// Checks a value, or the items of a list, against the parameter's own rules.
fn check(parameter: &Node, values: &[&str], number: bool) -> Result<(), Problem> {
    let each_must = |rule: String, holds: &dyn Fn(&str) -> bool| match values.iter().find(|value| !holds(value)) {
        None => Ok(()),
        Some(value) => Err(parameter.invalid(format!("must be {rule}, not {value:?}"))),
    };
    if let Some(allowed) = parameter.get("AllowedValues") {
        let allowed: BTreeSet<_> = allowed.texts()?.into_iter().collect();
        let rule = format!("one of {}", Vec::from_iter(allowed.iter().copied()).join(", "));
        each_must(rule, &|value| allowed.contains(value))?;
    }
    if let Some(pattern) = parameter.get("AllowedPattern") {
        let regex = whole(pattern)?;
        each_must(constraint(parameter, pattern)?, &|value| regex.is_match(value))?;
    }
    let (least, most, unit) = match number {
        true => ("MinValue", "MaxValue", ""),
        false => ("MinLength", "MaxLength", " characters long"),
    };
    let size = |value: &str| match number {
        true => value.parse().ok(),
        false => Some(value.chars().count() as f64),
    };
    each_must("a number".to_owned(), &|value| size(value).is_some())?;
    if let Some(least) = bound(parameter, least)? {
        each_must(format!("at least {least}{unit}"), &|value| size(value) >= Some(least))?;
    }
    if let Some(most) = bound(parameter, most)? {
        each_must(format!("at most {most}{unit}"), &|value| size(value) <= Some(most))?;
    }
    Ok(())
}

/// "The pattern must match the entire parameter value provided" (CloudFormation User Guide, "Parameters").
fn whole(pattern: &Node) -> Result<Regex, Problem> {
    let regex = RegexBuilder::new(&format!("^(?:{})$", pattern.text()?))
        .size_limit(LARGEST_PATTERN)
        .build();
    regex.map_err(|error| pattern.unsupported(format!("the local stack can't check this pattern: {error}")))
}

/// The error for a value: the template's own description of the rule if it has one.
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

#[cfg(test)]
mod tests {
    use super::super::testing::read_with;

    /// The parameter `P`, seen through the name of a queue (or the error).
    fn value(parameter: &str, given: Option<&str>) -> Result<String, String> {
        let template = format!(
            "Parameters:\n  P: {{{parameter}}}\nResources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Sub 'q-${{P}}'\n"
        );
        let overrides: Vec<_> = given.map(|given| ("P", given)).into_iter().collect();
        Ok(read_with(&template, &overrides)?.queues[0].name.clone())
    }

    fn refusal(parameter: &str, given: &str) -> String {
        value(parameter, Some(given)).unwrap_err()
    }

    #[test]
    fn a_default_holds_until_it_is_overridden() {
        assert_eq!(value("Type: String, Default: a", None).unwrap(), "q-a");
        assert_eq!(value("Type: String, Default: a", Some("b")).unwrap(), "q-b");
        assert_eq!(value("Type: Number, Default: 1", Some("2")).unwrap(), "q-2");
    }

    #[test]
    fn a_parameter_without_a_value_is_named() {
        assert_eq!(
            value("Type: String", None).unwrap_err(),
            "t.yaml:2: Parameters.P: the parameter has no value and no Default; give one with --parameter P=VALUE"
        );
    }

    #[test]
    fn url_of_a_service_is_below_the_url_of_the_settings() {
        let template = |rest| {
            format!(
                "Parameters:\n  GatewayUrl: {{Type: String{rest}}}\nResources:\n  It: {{Type: AWS::SQS::Queue, Properties: \
                 {{QueueName: !Select [4, !Split ['/', !Ref GatewayUrl]]}}}}\n"
            )
        };
        let read = |rest, given: &[(&str, &str)]| {
            let settings = crate::Settings {
                urls: Some("http://127.0.0.1:1/receivers".to_owned()),
                parameters: given
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                ..crate::Settings::default()
            };
            let template = crate::read::resolve(&template(rest), &settings).unwrap();
            (template.queues[0].name.clone(), template.urls)
        };
        assert_eq!(read("", &[]), ("GatewayUrl".to_owned(), vec!["GatewayUrl".to_owned()]));
        let none: Vec<String> = Vec::new();
        let url = "http://x/y/pay";
        assert_eq!(read("", &[("GatewayUrl", url)]), ("pay".to_owned(), none.clone()));
        assert_eq!(read(&format!(", Default: '{url}'"), &[]), ("pay".to_owned(), none));
    }

    #[test]
    fn a_misspelt_override_is_refused_with_what_it_may_mean() {
        let template = "Parameters:\n  Stage: {Type: String, Default: a}\nResources: {}\n";
        let message = read_with(template, &[("Stag", "c")]).unwrap_err();
        assert_eq!(message, "t.yaml: there is no parameter Stag; did you mean Stage?");
    }

    #[test]
    fn an_unknown_override_is_refused_with_the_known_ones() {
        let template = "Parameters:\n  A: {Type: String, Default: a}\n  B: {Type: String, Default: b}\nResources: {}\n";
        let message = read_with(template, &[("C", "c")]).unwrap_err();
        assert_eq!(message, "t.yaml: there is no parameter C; the template has: A, B");
    }

    #[test]
    fn a_value_is_checked_against_every_rule_of_its_parameter() {
        let refused = [
            (
                "Type: String, AllowedValues: [a, b]",
                "c",
                "must be one of a, b, not \"c\"",
            ),
            ("Type: Number", "5s", "must be a number, not \"5s\""),
            ("Type: Number, MinValue: 2", "1", "must be at least 2, not \"1\""),
            ("Type: Number, MaxValue: 9", "10", "must be at most 9, not \"10\""),
            (
                "Type: String, MinLength: 2",
                "a",
                "must be at least 2 characters long, not \"a\"",
            ),
            (
                "Type: String, MaxLength: 2",
                "abc",
                "must be at most 2 characters long, not \"abc\"",
            ),
            (
                "Type: String, AllowedPattern: '[a-z]+'",
                "a1",
                "must be a text that matches [a-z]+, not \"a1\"",
            ),
            (
                "Type: String, AllowedPattern: 'a|b', ConstraintDescription: a or b",
                "ab",
                "must be a or b, not \"ab\"",
            ),
            ("Type: List<Number>", "1,x", "must be a number, not \"x\""),
        ];
        for (parameter, given, message) in refused {
            assert_eq!(refusal(parameter, given), format!("t.yaml:2: Parameters.P: {message}"));
        }
    }

    #[test]
    fn a_value_longer_than_cloudformation_accepts_is_refused() {
        let message = refusal("Type: String", &"x".repeat(4_097));
        assert!(
            message.ends_with("a value has at most 4096 bytes, not 4097"),
            "{message}"
        );
    }

    #[test]
    fn a_pattern_too_large_to_check_is_refused() {
        let message = refusal("Type: String, AllowedPattern: '((a{100}){100}){100}'", "x");
        assert!(
            message.contains("the local stack can't check this pattern: "),
            "{message}"
        );
        assert_eq!(
            value("Type: String, AllowedPattern: '[a-zA-Z0-9-]{1,500}'", Some("x")).unwrap(),
            "q-x"
        );
    }

    #[test]
    fn a_default_is_checked_like_any_value() {
        let message = value("Type: Number, MinValue: 2, Default: 1", None).unwrap_err();
        assert_eq!(message, "t.yaml:2: Parameters.P: must be at least 2, not \"1\"");
    }

    #[test]
    fn a_type_that_only_aws_can_look_up_is_refused() {
        let message = refusal("Type: 'AWS::SSM::Parameter::Value<String>'", "x");
        assert!(
            message.contains("Parameters.P.Type: the local stack has no values of type AWS::SSM::"),
            "{message}"
        );
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        assert_eq!(
            refusal("Type: String, AllowedValue: [a]", "a"),
            "t.yaml:2: Parameters.P.AllowedValue: a parameter has no AllowedValue; did you mean AllowedValues?"
        );
    }
}
