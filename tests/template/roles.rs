//! Each role allows the requests of its function, and no others.

use std::collections::BTreeSet;

use emulator::dynamodb::FaultKind;
use serde_json::{Value, json};
use testing::TestStack;

use crate::{Deployment, each, last};

/// The actions that Lambda's poller needs on a queue
/// ([permissions](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions)).
const POLLER: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// The actions that Lambda's logs and X-Ray need.
const LOGS: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];
const XRAYS: [&str; 2] = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];

/// An action and the last part of the ARN that it is allowed on.
type Permission = (String, String);

fn permission(action: &str, resource: &str) -> Permission {
    (action.to_owned(), resource.to_owned())
}

/// All permissions of the role of a function. The log group, which the local stack does not create, appears as the logical ID
/// of the function.
fn allowed(deployment: &Deployment, function: &str) -> BTreeSet<Permission> {
    let role = &deployment.resource(&format!("{function}Role")).properties;
    let policies = each(&role["Policies"]);
    let statements = policies
        .iter()
        .flat_map(|policy| each(&policy["PolicyDocument"]["Statement"]));
    let mut allowed = BTreeSet::new();
    for statement in statements {
        let keys: Vec<_> = statement.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["Action", "Effect", "Resource"], "of {function}: {statement}");
        assert_eq!(statement["Effect"], "Allow");
        for action in each(&statement["Action"]) {
            let action = action.as_str().unwrap();
            for resource in each(&statement["Resource"]) {
                allowed.insert(permission(action, named(action, resource)));
            }
        }
    }
    allowed
}

/// The last part of the ARN, which must be in the region and account of the stack and of the service of the action.
fn named<'a>(action: &str, resource: &'a Value) -> &'a str {
    if let Some(group) = resource["Fn::GetAtt"].as_str() {
        return group.strip_suffix("Logs.Arn").unwrap();
    }
    let resource = resource.as_str().unwrap();
    if resource == "*" {
        return resource;
    }
    let service = action.split(':').next().unwrap();
    let prefix = format!("arn:aws:{service}:us-east-1:000000000000:");
    assert!(resource.starts_with(&prefix), "{action} on {resource}");
    last(resource)
}

fn on(actions: &[&str], resource: &str) -> BTreeSet<Permission> {
    actions.iter().map(|action| permission(action, resource)).collect()
}

/// Has each function process messages that are done, dead-lettered and delayed.
async fn process_messages(stack: &TestStack) {
    let stock = json!({"TableName": "stock", "Item": {"id": {"S": "tea"}, "stock": {"N": "9"}}});
    stack.stack.dynamodb().call("PutItem", stock);
    // All attempts of at least one invocation for the three valid messages: they are returned to the queue, with a new visibility timeout.
    for (operation, namespace) in [
        ("TransactWriteItems", "place-order#"),
        ("TransactWriteItems", "reserve-stock#"),
        ("PutItem", "send-notification#"),
    ] {
        stack.inject(operation, Some(namespace), 60, FaultKind::Throttle);
    }
    let items = json!([{"sku": "tea", "quantity": 1, "price": 7}]);
    let order = json!({"id": "o-1", "customer": "ada", "items": items, "amount": 7});
    let notification = json!({"to": "ada@example.com", "subject": "s", "text": "t"});
    let reservation = json!({"sku": "tea", "quantity": 1, "order": "o-1"});
    for body in [&order, &json!("no order")] {
        stack.send("orders", body).await;
    }
    for body in [&notification, &json!("no notification")] {
        stack.send("notifications", body).await;
    }
    for body in [&reservation, &json!("no reservation")] {
        stack.send_in_group("reservations.fifo", "tea", body).await;
    }
    stack
        .until_settled(&["orders", "notifications", "reservations.fifo"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn role_allows_exactly_the_requests_of_its_function() {
    let stack = TestStack::start_all(&[("FunctionTimeout", "2"), ("VisibilityTimeout", "12")]).await;
    process_messages(&stack).await;
    let calls = stack.stack.calls();
    let deployment = Deployment::default();
    for mapping in &deployment.template.mappings {
        let mut functions = deployment.template.functions.iter();
        let function = functions.find(|function| function.name == mapping.function).unwrap();
        let requests = calls.iter().filter(|call| call.function == function.name);
        let mut needed: BTreeSet<_> = requests.map(|call| permission(&call.action, &call.resource)).collect();
        needed.extend(on(&POLLER, &mapping.queue));
        needed.extend(on(&LOGS, &function.logical_id));
        needed.extend(on(&XRAYS, "*"));
        assert_eq!(
            allowed(&deployment, &function.logical_id),
            needed,
            "allowed to {}, and needed",
            function.name
        );
    }
    stack.stack.shutdown().await;
}

#[test]
fn no_action_and_only_the_x_ray_resource_is_a_wildcard() {
    let deployment = Deployment::default();
    for function in &deployment.template.functions {
        for (action, resource) in allowed(&deployment, &function.logical_id) {
            assert!(!action.contains(['*', '?']), "{action} of {}", function.name);
            let named = !resource.contains(['*', '?']);
            assert!(
                named || XRAYS.contains(&action.as_str()),
                "{action} of {}",
                function.name
            );
        }
    }
}

#[test]
fn without_tracing_no_x_ray_action_is_allowed() {
    let deployment = Deployment::with("", &[("Tracing", "PassThrough")]);
    for function in &deployment.template.functions {
        let mut allowed = allowed(&deployment, &function.logical_id).into_iter();
        assert!(
            allowed.all(|(action, _)| !action.starts_with("xray:")),
            "{}",
            function.name
        );
    }
}

#[test]
fn every_function_has_its_own_role_that_only_lambda_assumes() {
    let deployment = Deployment::default();
    let functions: Vec<_> = deployment.of_kind("AWS::Serverless::Function").collect();
    assert_eq!(deployment.of_kind("AWS::IAM::Role").count(), functions.len());
    let lambda = json!({
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    });
    for function in functions {
        let role = format!("{}Role", function.logical_id);
        assert_eq!(
            function.properties["Role"],
            json!({"Fn::GetAtt": format!("{role}.Arn")})
        );
        assert_eq!(function.properties["Policies"], Value::Null);
        let role = &deployment.resource(&role).properties;
        assert_eq!(role["ManagedPolicyArns"], Value::Null);
        assert_eq!(each(&role["AssumeRolePolicyDocument"]["Statement"]), [&lambda]);
    }
}
