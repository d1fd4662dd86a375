//! The template's functions, as the emulated Lambda runs them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use emulator::lambda::Function;
use sam::Template;

use crate::aws;
use crate::options::EndpointOverride;

/// The functions that have a binary, with the variables by which they reach SQS and DynamoDB.
pub(crate) fn functions(
    template: &Template,
    binaries: &BTreeMap<String, PathBuf>,
    services: &EndpointOverride,
    overridden: bool,
) -> Vec<Function> {
    let runnable = template
        .functions
        .iter()
        .filter_map(|function| Some((function, binaries.get(&function.binary)?)));
    let function = |(function, binary): (&sam::Function, &PathBuf)| {
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
        Function {
            name: function.name.clone(),
            command: vec![binary.to_string_lossy().into_owned()],
            environment,
            timeout: function.timeout,
            memory_mb: function.memory_mb,
        }
    };
    runnable.map(function).collect()
}
