//! The settings in the template are those that the functions read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sam::Function;
use testing::{last_words, programs};

use crate::{Deployment, ROOT};

/// The variables that Lambda sets and the functions read.
const SET_BY_LAMBDA: [(&str, &str); 7] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
    ("AWS_LAMBDA_FUNCTION_NAME", "work"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
];

/// The setting that every function reads last. A function whose start ends there has read all others.
const LAST: &str = "REQUEST_TIMEOUT_SECONDS";

/// Variables that the template does not set, because the defaults are right: the function's timeout, and a day more than SQS
/// can retain a message.
const LEFT_OUT: [&str; 2] = ["RETRY_DELAY_SECONDS", "RECORD_RETENTION_DAYS"];

/// The environment of a function in which this variable and the last one are not Unicode.
fn with_unreadable(function: &Function, variable: &str) -> BTreeMap<String, OsString> {
    let own = function.environment.iter();
    let own = own.map(|(name, value)| (name.clone(), OsString::from(value)));
    let by_lambda = SET_BY_LAMBDA.map(|(name, value)| (name.to_owned(), value.into()));
    let mut environment: BTreeMap<_, _> = by_lambda.into_iter().chain(own).collect();
    for unreadable in [variable, LAST] {
        environment.insert(unreadable.to_owned(), OsStr::from_bytes(b"\xff").to_owned());
    }
    environment
}

/// The variables that a page lists in a section, except those that Lambda sets or the AWS SDK reads.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
    let Some((_, section)) = text.split_once(heading) else {
        return BTreeSet::new();
    };
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    // SSL_CERT_FILE is a path, which need not be Unicode, and the template doesn't set it either.
    let of_template = |name: &&str| !name.starts_with("AWS_") && *name != "SSL_CERT_FILE";
    names.filter(of_template).map(str::to_owned).collect()
}

/// The variables that the template sets for a function, without those that Lambda derives from the logging configuration.
fn set_for(function: &Function) -> BTreeSet<String> {
    let names = function.environment.keys().cloned();
    names.filter(|name| !name.starts_with("AWS_LAMBDA_LOG_")).collect()
}

#[test]
fn settings_on_the_page_of_functions_are_in_the_template() {
    let functions = Deployment::default().template.functions;
    let set: BTreeSet<_> = functions.iter().flat_map(set_for).collect();
    let listed = listed("functions/README.md", "\n## Settings of the sample functions\n");
    let unknown: Vec<_> = listed.difference(&set).collect();
    assert!(unknown.is_empty(), "no function has the variables {unknown:?}");
}

#[tokio::test]
async fn functions_get_exactly_the_settings_they_read() {
    let functions = Deployment::default().template.functions;
    let names: Vec<_> = functions.iter().map(|function| function.binary.clone()).collect();
    let programs = programs(&names).await;
    let common = listed("shared/host/README.md", "\n## Settings\n");
    assert!(!common.is_empty());
    let known: BTreeSet<_> = functions.iter().flat_map(set_for).chain(common).collect();
    for function in functions {
        let set = set_for(&function);
        for variable in &known {
            let line = last_words(&programs[&function.binary], with_unreadable(&function, variable));
            let message = line["message"].as_str().unwrap();
            let unreadable = |variable: &str| format!("environment variable {variable} is not Unicode");
            let is_read = message == unreadable(variable);
            assert!(is_read || message == unreadable(LAST), "{message}");
            assert_eq!(
                is_read,
                set.contains(variable) || LEFT_OUT.contains(&variable.as_str()),
                "{} reads {variable} and the template does not set it, or the reverse",
                function.name
            );
        }
    }
}
