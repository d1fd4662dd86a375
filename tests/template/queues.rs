//! Queues, and where their dead letters go.

use std::collections::BTreeSet;
use std::time::Duration;

use idempotency::DEFAULT_RETENTION;
use local::template::Queue;
use serde_json::{Value, json};

use crate::{Deployment, each, last};

fn retention(queue: &Queue) -> Duration {
    Duration::from_secs(queue.attributes["MessageRetentionPeriod"].parse().unwrap())
}

#[test]
fn every_queue_has_a_dead_letter_queue_that_outages_do_not_fill() {
    for deployment in Deployment::all() {
        for mapping in &deployment.template.mappings {
            let queue = deployment.queue(&mapping.queue);
            let policy: Value = serde_json::from_str(&queue.attributes["RedrivePolicy"]).unwrap();
            let receives = policy["maxReceiveCount"].as_u64().unwrap();
            // Delays are random: with fewer, more than one message in a thousand would be given up within half an hour.
            assert!(receives >= 14, "{}: {receives}", queue.name);
        }
    }
}

#[test]
fn a_dead_letter_queue_takes_messages_of_its_own_queue_alone() {
    let deployment = Deployment::with("", &[("Prefix", "dev-")]);
    let sources: BTreeSet<_> = deployment
        .template
        .mappings
        .iter()
        .map(|mapping| &mapping.queue)
        .collect();
    assert_eq!(deployment.template.queues.len(), 2 * sources.len());
    for source in sources {
        let target = deployment.queue(&deployment.dead_letter_queue(source));
        let policy: Value = serde_json::from_str(&target.attributes["RedriveAllowPolicy"]).unwrap();
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{source}");
        assert_eq!(
            policy,
            json!({"redrivePermission": "byQueue", "sourceQueueArns": [arn]})
        );
    }
}

#[test]
fn no_message_outlives_the_record_of_its_work() {
    let deployment = Deployment::default();
    for mapping in &deployment.template.mappings {
        let queue = deployment.queue(&mapping.queue);
        let dead_letters = deployment.queue(&deployment.dead_letter_queue(&queue.name));
        assert!(retention(dead_letters) > retention(queue), "{}", dead_letters.name);
        // On a standard queue a moved message keeps the time when it was sent; on a FIFO queue it is as if sent anew.
        let longest = match queue.name.ends_with(".fifo") {
            true => retention(queue) + retention(dead_letters),
            false => retention(dead_letters),
        };
        assert!(longest < DEFAULT_RETENTION, "{}: {longest:?}", queue.name);
    }
}

#[test]
fn every_queue_is_encrypted() {
    for queue in Deployment::default().of_kind("AWS::SQS::Queue") {
        assert_eq!(queue.properties["SqsManagedSseEnabled"], "true", "{}", queue.logical_id);
    }
}

#[test]
fn every_queue_refuses_what_does_not_come_over_tls_and_lets_nobody_in() {
    let deployment = Deployment::default();
    let mut protected = BTreeSet::new();
    for policy in deployment.of_kind("AWS::SQS::QueuePolicy") {
        let statements = each(&policy.properties["PolicyDocument"]["Statement"]);
        let not_over_tls = json!({
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        });
        assert_eq!(statements, [&not_over_tls], "{}", policy.logical_id);
        let queues = each(&policy.properties["Queues"]);
        protected.extend(queues.iter().map(|url| last(url.as_str().unwrap()).to_owned()));
    }
    let all: BTreeSet<_> = deployment
        .template
        .queues
        .iter()
        .map(|queue| queue.name.clone())
        .collect();
    assert_eq!(protected, all);
}
