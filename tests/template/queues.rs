//! Queues, and where their dead letters go.

use std::collections::BTreeSet;
use std::time::Duration;

use idempotency::DEFAULT_RETENTION;
use sam::{Function, Queue};
use serde_json::{Value, json};

use crate::{Deployment, each, last};

const DAY: Duration = Duration::from_hours(24);

fn retention(queue: &Queue) -> Duration {
    Duration::from_secs(queue.attributes["MessageRetentionPeriod"].parse().unwrap())
}

/// The mean time between the first and the last receive of a message that fails: each delay is random, up to a bound that
/// doubles with each receive.
fn patience(function: &Function, receives: u32) -> Duration {
    let seconds = |name: &str| {
        let seconds = function.environment.get(name)?;
        Some(Duration::from_secs(seconds.parse().unwrap()))
    };
    let first = seconds("RETRY_DELAY_SECONDS").unwrap_or(function.timeout);
    let longest = seconds("RETRY_DELAY_LONGEST_SECONDS").unwrap();
    let bounds = (0..receives - 1).map(|doublings| first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest));
    bounds.sum::<Duration>() / 2
}

#[test]
fn somebody_is_told_of_an_outage_of_half_an_hour_and_no_message_is_given_up() {
    for deployment in Deployment::all() {
        for mapping in &deployment.template.mappings {
            let queue = deployment.queue(&mapping.queue);
            let policy: Value = serde_json::from_str(&queue.attributes["RedrivePolicy"]).unwrap();
            let receives = policy["maxReceiveCount"].as_u64().unwrap().try_into().unwrap();
            let mut functions = deployment.template.functions.iter();
            let function = functions.find(|function| function.name == mapping.function).unwrap();
            let patience = patience(function, receives);
            // With less, it would be more than one in a thousand.
            assert!(patience >= Duration::from_mins(65), "{}: {patience:?}", queue.name);
        }
        for alarm in deployment.of_kind("AWS::CloudWatch::Alarm") {
            let threshold: u64 = alarm.properties["Threshold"].as_str().unwrap().parse().unwrap();
            assert!(threshold <= 1800, "{}: {threshold}", alarm.logical_id);
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
fn messages_wait_as_long_as_the_readme_says_and_none_outlives_the_record_of_its_work() {
    let deployment = Deployment::default();
    for mapping in &deployment.template.mappings {
        let queue = deployment.queue(&mapping.queue);
        let dead_letters = deployment.queue(&deployment.dead_letter_queue(&queue.name));
        // On a standard queue a moved message keeps the time when it was sent; on a FIFO queue it is as if sent anew.
        let (days, longest) = match queue.name.ends_with(".fifo") {
            true => (10, retention(queue) + retention(dead_letters)),
            false => (14, retention(dead_letters)),
        };
        assert_eq!(retention(queue), 4 * DAY, "{}", queue.name);
        assert_eq!(retention(dead_letters), days * DAY, "{}", dead_letters.name);
        assert!(longest < DEFAULT_RETENTION, "{}: {longest:?}", queue.name);
    }
}

#[test]
fn groups_of_a_fifo_queue_share_neither_deduplication_nor_throughput() {
    let deployment = Deployment::default();
    let fifo = |queue: &&str| queue.ends_with(".fifo");
    for queue in deployment
        .template
        .mappings
        .iter()
        .map(|mapping| mapping.queue.as_str())
        .filter(fifo)
    {
        let attributes = &deployment.queue(queue).attributes;
        assert_eq!(attributes["DeduplicationScope"], "messageGroup", "{queue}");
        assert_eq!(attributes["FifoThroughputLimit"], "perMessageGroupId", "{queue}");
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
