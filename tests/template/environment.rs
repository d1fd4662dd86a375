//! What the template tells the functions, and what they read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sam::Function;
use testing::{last_words, programs};

use crate::{Deployment, ROOT};

/// What Lambda sets, as far as the functions read it.
const LAMBDAS: [(&str, &str); 7] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
    ("AWS_LAMBDA_FUNCTION_NAME", "work"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
];

/// What every function reads last: if it can't be read, a function ends there that has read all others.
const LAST: &str = "REQUEST_TIMEOUT_SECONDS";

/// Variables that the template does not set, because the defaults are right: the function's timeout, and a day more than SQS
/// can retain a message.
const LEFT_OUT: [&str; 2] = ["RETRY_DELAY_SECONDS", "RECORD_RETENTION_DAYS"];

/// The environment of a function, where a variable can't be read, nor the last.
fn with_unreadable(function: &Function, variable: &str) -> BTreeMap<String, OsString> {
    let own = function.environment.iter();
    let own = own.map(|(name, value)| (name.clone(), OsString::from(value)));
    let lambdas = LAMBDAS.map(|(name, value)| (name.to_owned(), value.into()));
    let mut environment: BTreeMap<_, _> = lambdas.into_iter().chain(own).collect();
    for unreadable in [variable, LAST] {
        environment.insert(unreadable.to_owned(), OsStr::from_bytes(b"\xff").to_owned());
    }
    environment
}

/// Where settings are listed: a page, and its section.
const LISTED: [(&str, &str); 2] = [
    ("shared/host/README.md", "\n## Settings\n"),
    ("functions/README.md", "\n## Settings of the sample functions\n"),
];

/// The variables that the pages list, except those that Lambda sets or the AWS SDK reads.
fn listed() -> BTreeSet<String> {
    let mut listed = BTreeSet::new();
    for (page, heading) in LISTED {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
        let (_, section) = text.split_once(heading).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        listed.extend(names.filter(|name| !name.starts_with("AWS_")).map(str::to_owned));
    }
    listed
}

#[tokio::test]
async fn functions_get_exactly_the_settings_they_read_and_pages_list() {
    let functions = Deployment::default().template.functions;
    let names: Vec<_> = functions.iter().map(|function| function.binary.clone()).collect();
    let programs = programs(&names).await;
    let listed = listed();
    for function in functions {
        // Those that Lambda makes of the logging configuration are not the template's.
        let set = function.environment.keys().cloned();
        let set: BTreeSet<_> = set.filter(|name| !name.starts_with("AWS_LAMBDA_LOG_")).collect();
        let unlisted: Vec<_> = set.difference(&listed).collect();
        assert!(unlisted.is_empty(), "{unlisted:?} of {}", function.name);
        for variable in &listed {
            let line = last_words(&programs[&function.binary], with_unreadable(&function, variable));
            let said = line["message"].as_str().unwrap();
            let unreadable = |variable: &str| format!("environment variable {variable} is not Unicode");
            let is_read = said == unreadable(variable);
            assert!(is_read || said == unreadable(LAST), "{said}");
            assert_eq!(
                is_read,
                set.contains(variable) || LEFT_OUT.contains(&variable.as_str()),
                "{} reads {variable}, but is not told, or the other way round",
                function.name
            );
        }
    }
}
