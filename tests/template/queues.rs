//! Queues and dead-letter queues.

use std::collections::BTreeSet;
use std::time::Duration;

use idempotency::DEFAULT_RETENTION;
use sam::{Function, Queue};
use serde_json::{Value, json};

use crate::same::assert_same;
use crate::{Deployment, each, last};

const DAY: Duration = Duration::from_hours(24);

fn retention(queue: &Queue) -> Duration {
    Duration::from_secs(queue.attributes["MessageRetentionPeriod"].parse().unwrap())
}

/// The mean time between the first and the last receive of a failing message. Each delay is random, up to a bound that doubles
/// with each receive.
fn mean_time_of_receives(function: &Function, receives: u32) -> Duration {
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
fn outage_of_half_an_hour_alarms_and_dead_letters_no_message() {
    for deployment in Deployment::all() {
        for mapping in &deployment.template.mappings {
            let queue = deployment.queue(&mapping.queue);
            let policy: Value = serde_json::from_str(&queue.attributes["RedrivePolicy"]).unwrap();
            let receives = policy["maxReceiveCount"].as_u64().unwrap().try_into().unwrap();
            let mut functions = deployment.template.functions.iter();
            let function = functions.find(|function| function.name == mapping.function).unwrap();
            let mean = mean_time_of_receives(function, receives);
            // With a shorter mean, more than one message in a thousand would be dead-lettered.
            assert!(mean >= Duration::from_mins(65), "{}: {mean:?}", queue.name);
        }
        for alarm in deployment.of_kind("AWS::CloudWatch::Alarm") {
            let threshold: u64 = alarm.properties["Threshold"].as_str().unwrap().parse().unwrap();
            assert!(threshold <= 1800, "{}: {threshold}", alarm.logical_id);
        }
    }
}

#[test]
fn functions_know_the_max_receive_count_of_their_queues() {
    let deployments = Deployment::all().into_iter();
    for deployment in deployments.chain([Deployment::with("", &[("MaxReceiveCount", "5")])]) {
        for mapping in &deployment.template.mappings {
            let policy = &deployment.queue(&mapping.queue).attributes["RedrivePolicy"];
            let policy: Value = serde_json::from_str(policy).unwrap();
            let mut functions = deployment.template.functions.iter();
            let function = functions.find(|function| function.name == mapping.function).unwrap();
            assert_eq!(
                function.environment.get("MAX_RECEIVE_COUNT"),
                Some(&policy["maxReceiveCount"].to_string()),
                "{}",
                function.name
            );
        }
    }
}

#[test]
fn dead_letter_queue_accepts_only_its_source_queue() {
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
fn records_outlive_messages_and_retention_matches_the_readme() {
    let deployment = Deployment::default();
    for mapping in &deployment.template.mappings {
        let queue = deployment.queue(&mapping.queue);
        let dead_letters = deployment.queue(&deployment.dead_letter_queue(&queue.name));
        // On a standard queue a moved message keeps its sent time. On a FIFO queue the time starts again.
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
fn fifo_deduplication_and_throughput_are_per_message_group() {
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
fn queue_policies_only_deny_requests_without_tls() {
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
    assert_same(
        "queues that refuse requests without TLS",
        protected,
        all,
        "The loop EachQueue in template.yaml gives every queue a policy.",
    );
}
