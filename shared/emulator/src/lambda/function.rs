//! A function as the stack runs it, and how AWS names it.

use std::{collections::BTreeMap, time::Duration};

/// The account that every local ARN names.
const ACCOUNT: &str = "000000000000";

/// One function: what is run, and under which settings.
#[derive(Debug, Clone)]
pub struct Function {
    /// The name it is invoked by.
    pub name: String,
    /// The program, a Lambda `bootstrap`, and its arguments; normally one path. Searched in the stack's own `PATH` if it has no slash.
    pub command: Vec<String>,
    /// Its own environment variables; they win over the ones that Lambda sets.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take before its process is killed.
    pub timeout: Duration,
    /// The memory that the function's environment states, in MB; not enforced.
    pub memory_mb: u32,
}

impl Function {
    pub(super) fn arn(&self, region: &str) -> String {
        arn(region, &self.name)
    }
}

pub(super) fn arn(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}

/// What a caller may write for a function: its name, its ARN or partial ARN, each with an optional qualifier.
///
/// The forms are those of [Invoke](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html)'s `FunctionName`.
#[derive(Debug, PartialEq)]
pub(super) struct Reference<'a> {
    pub(super) name: &'a str,
    pub(super) qualifier: Option<&'a str>,
}

impl<'a> Reference<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let rest = match text.split_once("function:") {
            Some((prefix, rest)) if prefix.ends_with(':') => rest,
            _ => text,
        };
        match rest.split_once(':') {
            Some((name, qualifier)) => Self {
                name,
                qualifier: Some(qualifier),
            },
            None => Self {
                name: rest,
                qualifier: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_name_arn_and_partial_arn() {
        let plain = Reference {
            name: "place-order",
            qualifier: None,
        };
        let latest = Reference {
            name: "place-order",
            qualifier: Some("$LATEST"),
        };
        assert_eq!(Reference::parse("place-order"), plain);
        assert_eq!(Reference::parse("place-order:$LATEST"), latest);
        assert_eq!(Reference::parse(&arn("eu-west-1", "place-order")), plain);
        assert_eq!(
            Reference::parse("arn:aws:lambda:eu-west-1:1:function:place-order:$LATEST"),
            latest
        );
        assert_eq!(Reference::parse("123456789012:function:place-order"), plain);
    }
}
