//! The format of log lines, and the lines about messages.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consumer::{
    Budget, Delivery, Failure, Handler, IdempotencyKey, Incoming, MemoryQueues, MessageId, QueueFault, Received,
    Services, process_batch,
};
use idempotency::{Attempt, Claim, Completion, Key, MemoryStore, NoWrites, OwnerToken, Status, Timestamp};
use tokio::time::Instant;

use super::*;

fn lines_of(action: impl FnOnce()) -> Vec<Value> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let layer = JsonLines {
        write: move |line: String| sink.lock().unwrap().push(line),
    };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), action);
    lines
        .lock()
        .unwrap()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_line_has_timestamp_level_message_and_span_fields() {
    let lines = lines_of(|| {
        let _invocation = tracing::info_span!("invocation", requestId = "r-1").entered();
        let _message = tracing::info_span!("message", messageId = "m-1").entered();
        tracing::warn!(attempt = 2, "no \"luck\"\n{}", "today");
    });
    let line = &lines[0];
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "no \"luck\"\ntoday");
    assert_eq!((&line["requestId"], &line["messageId"]), (&"r-1".into(), &"m-1".into()));
    assert_eq!(line["attempt"], 2);
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
}

#[test]
fn the_timestamp_is_rfc_3339_in_utc_with_milliseconds() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_120);
    assert_eq!(timestamp(time), "2023-11-14T22:13:20.120Z");
}

#[test]
fn log_levels_are_those_of_lambda() {
    assert_eq!(level(Some("debug")), LevelFilter::DEBUG);
    assert_eq!(level(Some("FATAL")), LevelFilter::ERROR);
    assert_eq!(level(Some("nonsense")), LevelFilter::INFO);
    assert_eq!(level(None), LevelFilter::INFO);
}

type Memory = Services<MemoryStore, MemoryQueues>;

/// Logs a line in `key` and in `handle`, and performs the action in the message.
struct Logging {
    services: Arc<Memory>,
    /// Whether its keys are business keys.
    business: bool,
    /// The owner tokens of attempts whose leases were taken over.
    lost: Mutex<Vec<OwnerToken>>,
}

impl Logging {
    fn new() -> Self {
        Self {
            services: Arc::new(Services::in_memory().with_dead_letter_queue("dead")),
            business: false,
            lost: Mutex::default(),
        }
    }

    fn key_of(&self, message: &str, action: &str) -> Key {
        let business = business_key(action);
        Key::new(Self::NAMESPACE, if self.business { &business } else { message }).unwrap()
    }

    /// Another attempt takes the lease over, as if it had ended.
    async fn lose_lease(&self, key: Key) {
        let ledger = self.services.ledger();
        let owner = ledger.store().record(&key).unwrap().owner.unwrap();
        self.lost.lock().unwrap().push(owner);
        let late = Timestamp::now().plus(Duration::from_secs(3600));
        assert!(matches!(
            ledger.claim(&Attempt::new(key, late, late), later()).await.unwrap(),
            Claim::Granted(_)
        ));
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A key with characters that must break neither a log line nor a record ID.
fn business_key(action: &str) -> String {
    format!("\"{action}\"\n#1")
}

impl Handler for Logging {
    type Message = String;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "logging";

    fn key(&self, action: &String, _: &Received) -> IdempotencyKey {
        tracing::info!("deciding the key");
        match self.business {
            true => IdempotencyKey::business(business_key(action)),
            false => IdempotencyKey::of_message(),
        }
    }

    async fn handle(&self, action: String, delivery: &Delivery) -> Result<Completion, Failure> {
        tracing::info!("handling");
        if action.starts_with("taken over") {
            self.lose_lease(self.key_of(delivery.message_id(), &action)).await;
        }
        match action.rsplit(' ').next() {
            Some("fail") => Err(Failure::retry_after(Duration::from_secs(60), "not today")),
            Some("reject") => Err(Failure::permanent("not ever")),
            Some("decline") => Err(Failure::retry("not yet").code("card-declined")),
            _ => Ok(Completion::new()),
        }
    }
}

const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

/// The log lines of a batch of messages `m-0`, `m-1` and so on, one action per message.
fn lines_of_a_batch(handler: &Arc<Logging>, actions: &[&str]) -> Vec<Value> {
    let message = |(n, action): (usize, &&str)| Incoming {
        trace_header: Some(format!("Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1")),
        ..Incoming::new(MessageId::new(format!("m-{n}")).unwrap(), format!("\"{action}\""))
    };
    let messages = actions.iter().enumerate().map(message).collect();
    lines_of(|| {
        runtime().block_on(async {
            let now = Timestamp::now();
            let budget = Budget::new(now, now.plus(Duration::from_secs(30)));
            process_batch(handler, &*handler.services, messages, false, &budget).await;
        });
    })
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap()
}

/// The log lines about a message at a level.
fn logged<'a>(lines: &'a [Value], message: &str, level: &str) -> Vec<&'a Value> {
    let lines = lines
        .iter()
        .filter(|line| line["messageId"] == message && line["level"] == level);
    lines.collect()
}

#[test]
fn lines_about_a_message_name_it_and_its_trace() {
    let lines = lines_of_a_batch(&Arc::new(Logging::new()), &["succeed", "fail", "reject"]);
    for message in ["m-0", "m-1", "m-2"] {
        let [deciding, handling] = logged(&lines, message, "INFO").try_into().unwrap();
        assert_eq!(
            (&deciding["message"], &handling["message"]),
            (&"deciding the key".into(), &"handling".into())
        );
    }
    assert!(lines.iter().all(|line| line["traceId"] == TRACE), "{lines:?}");
    let [failed] = logged(&lines, "m-1", "WARN").try_into().unwrap();
    assert_eq!(
        (&failed["message"], &failed["retryAfterSeconds"]),
        (&"failed: not today".into(), &60.into())
    );
    let [rejected] = logged(&lines, "m-2", "ERROR").try_into().unwrap();
    assert_eq!(
        (&rejected["message"], &rejected["deadLettered"]),
        (&"rejected: not ever".into(), &true.into())
    );
}

#[test]
fn the_line_about_a_failure_has_its_code() {
    let lines = lines_of_a_batch(&Arc::new(Logging::new()), &["decline", "fail"]);
    let [declined] = logged(&lines, "m-0", "WARN").try_into().unwrap();
    assert_eq!(
        (&declined["message"], &declined["code"]),
        (&"failed: not yet".into(), &"card-declined".into())
    );
    assert!(logged(&lines, "m-1", "WARN")[0].get("code").is_none(), "{lines:?}");
}

#[test]
fn a_failure_at_the_last_receive_is_logged_as_an_error() {
    let services = Services::in_memory().with_dead_letter_queue("dead");
    let handler = Arc::new(Logging {
        services: Arc::new(services.with_max_receive_count(NonZeroU32::MIN)),
        ..Logging::new()
    });
    let lines = lines_of_a_batch(&handler, &["decline"]);
    let [failed] = logged(&lines, "m-0", "ERROR").try_into().unwrap();
    assert_eq!(
        (&failed["message"], &failed["deadLettered"]),
        (&"failed at its last receive: not yet".into(), &true.into())
    );
    assert_eq!(failed["code"], "card-declined");
}

#[test]
fn lines_name_the_record_once_the_key_is_decided() {
    for business in [false, true] {
        let handler = Arc::new(Logging {
            business,
            ..Logging::new()
        });
        let actions = ["succeed", "fail", "reject", "taken over"];
        let lines = lines_of_a_batch(&handler, &actions);
        for (n, action) in actions.into_iter().enumerate() {
            let message = format!("m-{n}");
            let key = handler.key_of(&message, action);
            let mut about = lines.iter().filter(|line| line["messageId"] == *message);
            let deciding = about.next().unwrap();
            assert!(
                deciding["key"].is_null() && deciding["message"] == "deciding the key",
                "{deciding}"
            );
            let keys: Vec<_> = about.map(|line| line["key"].as_str().unwrap()).collect();
            assert!(
                keys.len() > 1 && keys.iter().all(|logged| *logged == key.record_id()),
                "{lines:?}"
            );
            // A failed message has no record.
            assert_eq!(handler.services.store().record(&key).is_some(), action != "fail");
        }
    }
}

#[test]
fn done_and_duplicate_messages_are_logged_at_debug_only() {
    let handler = Arc::new(Logging::new());
    for _ in 0..2 {
        let mut lines = lines_of_a_batch(&handler, &["succeed"; 3]);
        lines.retain(|line| {
            line["level"] != "DEBUG" && line["message"] != "deciding the key" && line["message"] != "handling"
        });
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn a_malformed_message_is_logged_with_the_key_of_its_record() {
    let handler = Arc::new(Logging {
        business: true,
        ..Logging::new()
    });
    let lines = lines_of_a_batch(&handler, &["no\" string"]);
    let [rejected] = logged(&lines, "m-0", "ERROR").try_into().unwrap();
    assert_eq!(rejected["key"], "logging#m-0");
    let key = Key::from_record_id("logging#m-0").unwrap();
    assert_eq!(handler.services.store().record(&key).unwrap().status, Status::Rejected);
}

#[test]
fn a_lost_lease_is_logged_with_the_owner_that_lost_it() {
    for action in ["taken over", "taken over fail", "taken over reject"] {
        let handler = Arc::new(Logging::new());
        let lines = lines_of_a_batch(&handler, &[action]);
        let warnings = logged(&lines, "m-0", "WARN");
        let warning = warnings.iter().find(|line| {
            let text = line["message"].as_str().unwrap();
            text.contains("another attempt took the lease over")
        });
        let warning = warning.unwrap();
        let [loser] = handler.lost.lock().unwrap().clone().try_into().unwrap();
        assert_eq!(
            (&warning["owner"], &warning["key"]),
            (&loser.as_str().into(), &"logging#m-0".into()),
            "{action}"
        );
        // The line of its handler has the same owner.
        assert_eq!(logged(&lines, "m-0", "INFO")[1]["owner"], loser.as_str());
    }
}

#[test]
fn in_progress_is_logged_with_owner_and_lease_end() {
    let handler = Arc::new(Logging::new());
    let now = Timestamp::now();
    let end = now.plus(Duration::from_secs(60));
    let other = Attempt::new(handler.key_of("m-0", "succeed"), now, end);
    let claim = runtime().block_on(async { handler.services.ledger().claim(&other, later()).await });
    let claim = claim.unwrap();
    assert!(matches!(claim, Claim::Granted(_)));
    let lines = lines_of_a_batch(&handler, &["succeed", "succeed"]);
    let [_, line] = logged(&lines, "m-0", "INFO").try_into().unwrap();
    assert_eq!(line["message"], "in progress: another attempt holds the lease");
    assert_eq!(
        (&line["owner"], &line["key"], &line["leaseEnd"]),
        (
            &other.owner().as_str().into(),
            &"logging#m-0".into(),
            &end.millis().into()
        )
    );
}

#[test]
fn a_dead_letter_that_was_not_sent_is_logged() {
    let handler = Arc::new(Logging::new());
    handler.services.queues().inject(QueueFault::Refused);
    let lines = lines_of_a_batch(&handler, &["reject"]);
    let [warned] = logged(&lines, "m-0", "WARN").try_into().unwrap();
    let text = warned["message"].as_str().unwrap();
    assert!(text.starts_with("not dead-lettered: queue dead: "), "{text}");
    let [rejected] = logged(&lines, "m-0", "ERROR").try_into().unwrap();
    assert_eq!(rejected["deadLettered"], false);
}
