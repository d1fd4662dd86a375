//! What the template tells the functions, and what they read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use local::template::Function;
use local::testing::{last_words, programs};

use crate::Deployment;

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

/// The environment of a function, one variable of which can't be read.
fn with_unreadable(function: &Function, variable: &str) -> BTreeMap<String, OsString> {
    let own = function.environment.iter();
    let own = own.map(|(name, value)| (name.clone(), OsString::from(value)));
    let lambdas = LAMBDAS.map(|(name, value)| (name.to_owned(), value.into()));
    let mut environment: BTreeMap<_, _> = lambdas.into_iter().chain(own).collect();
    environment.insert(variable.to_owned(), OsStr::from_bytes(b"\xff").to_owned());
    environment
}

// That every variable is set which a function needs, all tests on the local stack show: without one it does not start.
#[tokio::test]
async fn every_variable_that_the_template_sets_is_read() {
    let functions = Deployment::default().template.functions;
    let names: Vec<_> = functions.iter().map(|function| function.binary.clone()).collect();
    let programs = programs(&names).await;
    for function in functions {
        // Those that Lambda makes of the logging configuration are not the template's.
        let set = function
            .environment
            .keys()
            .filter(|name| !name.starts_with("AWS_LAMBDA_LOG_"));
        for variable in set {
            let line = last_words(&programs[&function.binary], with_unreadable(&function, variable));
            let read = format!("environment variable {variable} is not Unicode");
            assert_eq!(line["message"], read, "of {}", function.name);
        }
    }
}
