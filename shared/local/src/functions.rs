//! The template's functions, as the emulated Lambda runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use emulator::lambda::Function;
use sam::Template;

use crate::aws;
use crate::options::EndpointOverride;

/// The functions that have a binary and are no workers, with the variables by which they reach SQS and DynamoDB.
pub(crate) fn functions(
    template: &Template,
    workers: &BTreeSet<String>,
    binaries: &BTreeMap<String, PathBuf>,
    services: &EndpointOverride,
    overridden: bool,
) -> Vec<Function> {
    let runnable = template
        .functions
        .iter()
        .filter(|function| !workers.contains(&function.name))
        .filter_map(|function| Some((function, binaries.get(&function.binary)?)));
    let function = |(function, binary): (&sam::Function, &PathBuf)| Function {
        name: function.name.clone(),
        command: vec![binary.to_string_lossy().into_owned()],
        environment: environment(function, services, overridden),
        timeout: function.timeout,
        memory_mb: function.memory_mb,
    };
    runnable.map(function).collect()
}

/// The variables of a function's process that Lambda does not set.
pub(crate) fn environment(
    function: &sam::Function,
    services: &EndpointOverride,
    overridden: bool,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([
        ("AWS_ENDPOINT_URL_SQS".to_owned(), services.sqs.clone()),
        ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), services.dynamodb.clone()),
    ]);
    environment.extend(aws::authorities());
    environment.extend(aws::secrets());
    if overridden {
        environment.extend(aws::credentials());
    }
    environment.extend(function.environment.clone());
    environment
}
