//! Each role allows the requests of its function, and no others.

use std::collections::{BTreeMap, BTreeSet};

use emulator::dynamodb::FaultKind;
use serde_json::{Value, json};
use testing::{TestStack, namespace, samples};

use crate::same::assert_same;
use crate::{Deployment, each, last, section};

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

/// The policies that a function alone has, beside those of its role.
fn own_policies<'a>(deployment: &'a Deployment, function: &str) -> impl Iterator<Item = &'a Value> {
    let role = json!({"Ref": format!("{function}Role")});
    let policies = deployment
        .of_kind("AWS::IAM::RolePolicy")
        .map(|policy| &policy.properties);
    policies.filter(move |policy| policy["RoleName"] == role)
}

/// All permissions of the role of a function. The log group, which the local stack does not create, appears as the logical ID
/// of the function.
fn allowed(deployment: &Deployment, function: &str) -> BTreeSet<Permission> {
    let role = &deployment.resource(&format!("{function}Role")).properties;
    let policies = each(&role["Policies"])
        .into_iter()
        .chain(own_policies(deployment, function));
    let statements = policies.flat_map(|policy| each(&policy["PolicyDocument"]["Statement"]));
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
    if let [group, attribute] = &*each(&resource["Fn::GetAtt"]) {
        assert_eq!(*attribute, "Arn");
        return group.as_str().unwrap().strip_suffix("Logs").unwrap();
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

fn uses_ledger(needed: &BTreeSet<Permission>) -> bool {
    needed
        .iter()
        .any(|(action, resource)| action == "dynamodb:PutItem" && resource == "idempotency")
}

/// What the role of a function in natural mode allows, and the test does not need: the loop gives all roles the same policy, and
/// without a ledger that can't be reached no message is retried.
fn in_natural_mode(queue: &str) -> BTreeSet<Permission> {
    let actions =
        ["PutItem", "DeleteItem", "PartiQLInsert", "PartiQLUpdate"].map(|action| format!("dynamodb:{action}"));
    let ledger = on(&actions.each_ref().map(String::as_str), "idempotency");
    ledger
        .into_iter()
        .chain(on(&["sqs:ChangeMessageVisibility"], queue))
        .collect()
}

fn on(actions: &[&str], resource: &str) -> BTreeSet<Permission> {
    actions.iter().map(|action| permission(action, resource)).collect()
}

/// Has each function process its sample `valid.json`, which is delayed first, and a message that is dead-lettered.
async fn process_messages(stack: &TestStack) {
    let template = stack.stack.template();
    for mapping in &template.mappings {
        let mut functions = template.functions.iter();
        let function = functions.find(|function| function.name == mapping.function).unwrap();
        // All attempts of at least one invocation, in either mode: the message is returned to the queue, with a new
        // visibility timeout.
        for operation in ["TransactWriteItems", "PutItem"] {
            let namespace = namespace(&function.binary);
            stack.inject(operation, Some(&format!("{namespace}#")), 60, FaultKind::Throttle);
        }
        let valid = samples(&function.binary).remove("valid.json");
        let valid = valid.unwrap_or_else(|| panic!("events/{} has no valid.json", function.binary));
        let valid: Value = serde_json::from_slice(&valid).unwrap();
        let body = valid["Records"][0]["body"].as_str().unwrap();
        for body in [serde_json::from_str(body).unwrap(), json!("not a message")] {
            match mapping.queue.ends_with(".fifo") {
                true => stack.send_in_group(&mapping.queue, "group", &body).await,
                false => stack.send(&mapping.queue, &body).await,
            };
        }
    }
    // Two at the same time, and again: their rejections share a request, and then show the records.
    let odd = [("m-1", "a"), ("m-2", "b")].map(|(message, group)| (message, group, json!("not a message")));
    for function in &template.functions {
        for _ in 0..2 {
            stack.invoke(&function.name, &odd).await;
        }
    }
    let queues: Vec<_> = template.mappings.iter().map(|mapping| mapping.queue.as_str()).collect();
    stack.until_settled(&queues).await;
}

/// A key that the template declares otherwise than the function writes it is refused only with the completion.
fn every_write_can_be_made(stack: &TestStack) {
    let lines = stack.log().into_iter();
    let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let refused = lines.find(|line| {
        line["message"]
            .as_str()
            .is_some_and(|why| why.contains("can't be made"))
    });
    if let Some(Value::Object(line)) = refused {
        let (key, why) = (&line["key"], &line["message"]);
        panic!(
            "message {key}: {why}\nCompare the table's KeySchema in template.yaml with the item that the function writes."
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn role_allows_exactly_the_requests_of_its_function() {
    let stack = TestStack::start_all(&[("FunctionTimeout", "2"), ("VisibilityTimeout", "12")]).await;
    process_messages(&stack).await;
    every_write_can_be_made(&stack);
    let calls = stack.stack.calls();
    let deployment = Deployment::default();
    for mapping in &deployment.template.mappings {
        let mut functions = deployment.template.functions.iter();
        let function = functions.find(|function| function.name == mapping.function).unwrap();
        let requests = calls.iter().filter(|call| call.function == function.name);
        let mut needed: BTreeSet<_> = requests.map(|call| permission(&call.action, &call.resource)).collect();
        needed.extend(on(&POLLER, &mapping.queue));
        if !uses_ledger(&needed) {
            needed.extend(in_natural_mode(&mapping.queue));
        }
        needed.extend(on(&LOGS, &function.logical_id));
        needed.extend(on(&XRAYS, "*"));
        let id = &function.logical_id;
        let texts = |permissions: BTreeSet<Permission>| {
            let permissions = permissions.into_iter();
            permissions.map(|(action, resource)| format!("{action} on {resource}"))
        };
        assert_same(
            &format!("permissions of {}", function.name),
            texts(allowed(&deployment, id)),
            texts(needed),
            &format!(
                "The function made other requests with events/{}/valid.json than its role allows: in template.yaml, allow in \
                 {id}Policy what is missing, and remove what is unexpected.",
                function.binary
            ),
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
    let own = functions
        .iter()
        .map(|function| own_policies(&deployment, &function.logical_id).count());
    let policies = deployment.of_kind("AWS::IAM::RolePolicy").count();
    assert_eq!(own.sum::<usize>(), policies, "a policy belongs to no function");
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

#[test]
fn function_with_a_policy_of_its_own_waits_for_it() {
    let deployment = Deployment::default();
    let resources: BTreeMap<_, _> = section("Resources", &[]).into_iter().collect();
    for function in &deployment.template.functions {
        let id = &function.logical_id;
        let own: Vec<_> = own_policies(&deployment, id).collect();
        let waits_for = &resources[id]["DependsOn"];
        match own[..] {
            [] => assert!(waits_for.is_null(), "{id}"),
            // A policy of the role with the same name would be replaced by it, and deleted with it.
            [policy] => assert_eq!(
                (waits_for, &policy["PolicyName"]),
                (&json!(format!("{id}Policy")), &json!("own"))
            ),
            _ => panic!("{id} has {} policies", own.len()),
        }
    }
}
