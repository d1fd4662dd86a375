//! Mappings from a scripted queue to real processes.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    super::{Event, InvalidMapping, Mapping, run_mapping},
    queue::{ARN, FIFO_ARN, ScriptedQueue},
    stack::{Gate, PATIENCE, Stack},
};

struct Running {
    stack: Stack,
    queue: ScriptedQueue,
    shutdown: CancellationToken,
    mapping: JoinHandle<Result<(), InvalidMapping>>,
}

#[derive(Debug, PartialEq)]
struct Finished {
    messages: Vec<String>,
    failed: Vec<String>,
    whole_batch: Option<String>,
}

fn mapping() -> Mapping {
    Mapping {
        function: "test".to_owned(),
        queue_url: String::new(),
        queue_arn: ARN.to_owned(),
        batch_size: 10,
        window: Duration::ZERO,
        maximum_concurrency: None,
        report_batch_item_failures: true,
    }
}

impl Running {
    async fn new(mapping: Mapping) -> Self {
        Self::on(Stack::new().await, mapping).await
    }

    async fn on(stack: Stack, mapping: Mapping) -> Self {
        let (queue, shutdown) = (ScriptedQueue::new().await, CancellationToken::new());
        let mapping = Mapping {
            queue_url: queue.url.clone(),
            ..mapping
        };
        let running = run_mapping(
            Arc::clone(&stack.lambda),
            queue.client.clone(),
            mapping,
            shutdown.clone(),
        );
        Self {
            stack,
            queue,
            shutdown,
            mapping: tokio::spawn(running),
        }
    }

    async fn finished(&mut self) -> Finished {
        let pick = |event| match event {
            Event::BatchFinished {
                messages,
                failed,
                whole_batch,
                ..
            } => Some(Finished {
                messages,
                failed,
                whole_batch,
            }),
            _ => None,
        };
        self.stack.event(pick).await
    }

    async fn end(self) {
        self.shutdown.cancel();
        assert_eq!(self.mapping.await.unwrap(), Ok(()));
        self.stack.lambda.shutdown().await;
    }
}

fn strings(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn messages_that_succeeded_are_deleted_and_the_listed_stay() {
    let mut running = Running::new(mapping()).await;
    running.queue.deliver(&[("a", "well"), ("b", "fail"), ("c", "well")]);
    let finished = running.finished().await;
    assert_eq!(finished.messages, strings(&["a", "b", "c"]));
    assert_eq!((finished.failed, finished.whole_batch), (strings(&["b"]), None));
    assert_eq!(running.queue.deleted(), ["receipt of a", "receipt of c"]);
    running.end().await;
}

#[tokio::test]
async fn without_reporting_even_listed_messages_are_deleted() {
    let mut running = Running::new(Mapping {
        report_batch_item_failures: false,
        ..mapping()
    })
    .await;
    running.queue.deliver(&[("a", "fail")]);
    assert_eq!(running.finished().await.failed, strings(&[]));
    assert_eq!(running.queue.deleted(), ["receipt of a"]);
    running.end().await;
}

#[tokio::test]
async fn a_batch_whose_function_fails_stays_as_a_whole() {
    for (timeout, order, reason) in [
        (PATIENCE, r#"{"do":"fail"}"#, "Scripted: as scripted"),
        (PATIENCE, r#"{"do":"exit"}"#, "Runtime.ExitError"),
        (Duration::from_millis(300), r#"{"do":"hang"}"#, "Sandbox.Timedout"),
        (PATIENCE, r#"{"do":"say","text":"{"}"#, "not JSON"),
    ] {
        let mut running = Running::on(Stack::with_timeout(timeout).await, mapping()).await;
        running.queue.deliver(&[("a", order), ("b", "well")]);
        let finished = running.finished().await;
        assert_eq!(finished.failed, strings(&["a", "b"]), "{order}");
        assert!(
            finished.whole_batch.as_ref().is_some_and(|text| text.contains(reason)),
            "{order}: {finished:?}"
        );
        assert_eq!(running.queue.deleted(), strings(&[]));
        running.end().await;
    }
}

#[tokio::test]
async fn two_copies_of_a_message_share_its_fate_and_are_both_deleted() {
    let mut running = Running::new(mapping()).await;
    running.queue.deliver(&[("a", "well"), ("a", "well")]);
    running.finished().await;
    assert_eq!(running.queue.deleted(), ["receipt of a", "receipt of a"]);
    running.end().await;
}

#[tokio::test]
async fn a_mapping_asks_for_all_attributes_and_waits_long() {
    let mut running = Running::new(Mapping {
        batch_size: 3,
        ..mapping()
    })
    .await;
    running.queue.deliver(&[("a", "well")]);
    running.finished().await;
    let request = running.queue.receives()[0].clone();
    assert_eq!(request["MaxNumberOfMessages"], 3);
    assert_eq!(request["WaitTimeSeconds"], 20);
    assert_eq!(request["MessageAttributeNames"], json!(["All"]));
    assert_eq!(request["MessageSystemAttributeNames"], json!(["All"]));
    running.end().await;
}

#[tokio::test]
async fn a_batch_is_complete_when_it_has_its_size_whatever_the_window() {
    let mapping = Mapping {
        batch_size: 12,
        window: Duration::from_secs(300),
        ..mapping()
    };
    let mut running = Running::new(mapping).await;
    let ids: Vec<_> = (0..12).map(|number| number.to_string()).collect();
    let messages: Vec<_> = ids.iter().map(|id| (id.as_str(), "well")).collect();
    running.queue.deliver(&messages[..10]);
    running.queue.deliver(&messages[10..]);
    assert_eq!(running.finished().await.messages, ids);
    assert_eq!(running.queue.receives()[1]["MaxNumberOfMessages"], 2);
    assert_eq!(running.queue.deleted().len(), 12);
    running.end().await;
}

#[tokio::test]
async fn a_window_collects_several_receives_and_ends() {
    let mut running = Running::new(Mapping {
        window: Duration::from_secs(1),
        ..mapping()
    })
    .await;
    running.queue.deliver(&[("a", "well")]);
    running.queue.deliver(&[("b", "well")]);
    running.queue.deliver(&[]);
    assert_eq!(running.finished().await.messages, strings(&["a", "b"]));
    running.end().await;
}

#[tokio::test]
async fn at_most_the_maximum_of_batches_is_in_flight() {
    let mut running = Running::new(Mapping {
        maximum_concurrency: Some(2),
        ..mapping()
    })
    .await;
    let gate = Gate::new().await;
    let order = gate.order().to_string();
    for id in ["a", "b", "c"] {
        running.queue.deliver(&[(id, &order)]);
    }
    let (first, second) = (gate.arrival().await, gate.arrival().await);
    assert_ne!(first.pid, second.pid);
    assert_eq!(
        running.queue.receives().len(),
        2,
        "no message is taken without a slot for it"
    );
    first.release().await;
    running.finished().await;
    let third = gate.arrival().await;
    second.release().await;
    third.release().await;
    running.finished().await;
    running.finished().await;
    assert_eq!(running.queue.deleted().len(), 3);
    running.end().await;
}

#[tokio::test]
async fn trouble_with_the_queue_is_told_once_and_survived() {
    let mut running = Running::new(mapping()).await;
    running.queue.fail_receive();
    running.queue.fail_receive();
    running.queue.deliver(&[("a", "well")]);
    assert_eq!(running.finished_after_troubles(1).await.messages, strings(&["a"]));
    running.end().await;
}

#[tokio::test]
async fn a_deletion_is_tried_again() {
    let mut running = Running::new(mapping()).await;
    running.queue.refuse_deletions(2);
    running.queue.deliver(&[("a", "well")]);
    running.finished_after_troubles(0).await;
    assert_eq!(running.queue.deleted(), ["receipt of a"]);
    running.end().await;
}

#[tokio::test]
async fn shutdown_completes_the_running_invocation() {
    let running = Running::new(mapping()).await;
    let gate = Gate::new().await;
    running.queue.deliver(&[("a", &gate.order().to_string())]);
    let held = gate.arrival().await;
    running.shutdown.cancel();
    assert!(!running.mapping.is_finished());
    held.release().await;
    assert_eq!(running.mapping.await.unwrap(), Ok(()));
    assert_eq!(running.queue.deleted(), ["receipt of a"]);
    running.stack.lambda.shutdown().await;
}

#[tokio::test]
async fn a_batch_too_large_for_one_payload_takes_several_invocations() {
    let mut running = Running::new(mapping()).await;
    let large = "x".repeat(1024 * 1024);
    let ids = ["a", "b", "c", "d", "e", "f", "g"];
    running.queue.deliver(&ids.map(|id| (id, large.as_str())));
    assert_eq!(running.finished().await.messages, strings(&ids[..5]));
    assert_eq!(running.finished().await.messages, strings(&ids[5..]));
    running.end().await;
}

#[tokio::test]
async fn after_a_failure_the_rest_of_a_fifo_batch_waits() {
    let mut running = Running::new(Mapping {
        queue_arn: FIFO_ARN.to_owned(),
        ..mapping()
    })
    .await;
    let large = "x".repeat(1024 * 1024);
    running.queue.deliver(&[
        ("a", "fail"),
        ("b", &large),
        ("c", &large),
        ("d", &large),
        ("e", &large),
        ("f", &large),
        ("g", &large),
    ]);
    let finished = running.finished().await;
    assert_eq!(finished.messages.len(), 6);
    running.queue.deliver(&[("z", "well")]);
    assert_eq!(
        running.finished().await.messages,
        strings(&["z"]),
        "not g, which follows a"
    );
    running.end().await;
}

#[tokio::test]
async fn a_mapping_that_aws_would_refuse_is_refused() {
    let broken = |mapping: Mapping| mapping.check().unwrap_err().to_string();
    assert_eq!(
        broken(Mapping {
            batch_size: 11,
            ..mapping()
        }),
        format!(
            "the mapping of {ARN} to test is invalid: a BatchSize greater than 10 needs a \
             MaximumBatchingWindowInSeconds of at least 1"
        )
    );
    let fifo = || Mapping {
        queue_arn: FIFO_ARN.to_owned(),
        ..mapping()
    };
    assert!(
        broken(Mapping {
            batch_size: 0,
            ..mapping()
        })
        .contains("from 1 to 10000, it is 0")
    );
    assert!(
        broken(Mapping {
            batch_size: 11,
            ..fifo()
        })
        .contains("from 1 to 10, it is 11")
    );
    assert!(
        broken(Mapping {
            window: Duration::from_secs(1),
            ..fifo()
        })
        .contains("FIFO")
    );
    assert!(
        broken(Mapping {
            window: Duration::from_secs(301),
            ..mapping()
        })
        .contains("at most 300")
    );
    assert!(
        broken(Mapping {
            maximum_concurrency: Some(1),
            ..mapping()
        })
        .contains("MaximumConcurrency")
    );
    assert_eq!(
        Mapping {
            batch_size: 10_000,
            window: Duration::from_secs(1),
            ..mapping()
        }
        .check(),
        Ok(())
    );
}

impl Running {
    /// The next finished batch, before which there must be so many troubles.
    async fn finished_after_troubles(&mut self, count: usize) -> Finished {
        let troubles = std::cell::Cell::new(0);
        let pick = |event| match event {
            Event::Trouble { .. } => {
                troubles.set(troubles.get() + 1);
                None
            }
            Event::BatchFinished {
                messages,
                failed,
                whole_batch,
                ..
            } => Some(Finished {
                messages,
                failed,
                whole_batch,
            }),
            _ => None,
        };
        let finished = self.stack.event(pick).await;
        assert_eq!(troubles.get(), count);
        finished
    }
}
