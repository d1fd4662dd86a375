//! Lines as they are written, and what stands in those about messages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use consumer::{
    Budget, Delivery, Failure, Handler, IdempotencyKey, Incoming, MemoryQueues, MessageId, QueueFault, Received,
    Services, process_batch,
};
use idempotency::{Attempt, Claim, Completion, Key, MemoryStore, NoWrites, OwnerToken, Status, Timestamp};

use super::*;

fn lines_of(act: impl FnOnce()) -> Vec<Value> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let layer = JsonLines {
        write: move |line: String| sink.lock().unwrap().push(line),
    };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
    lines
        .lock()
        .unwrap()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_line_has_time_level_message_and_the_ids_of_its_spans() {
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
fn lambdas_words_for_levels_are_understood() {
    assert_eq!(level(Some("debug")), LevelFilter::DEBUG);
    assert_eq!(level(Some("FATAL")), LevelFilter::ERROR);
    assert_eq!(level(Some("nonsense")), LevelFilter::INFO);
    assert_eq!(level(None), LevelFilter::INFO);
}

type Memory = Services<MemoryStore, MemoryQueues>;

/// Says something of its own, and does as it is told.
struct Speaking {
    services: Arc<Memory>,
    /// Whether it goes by a key of the business's.
    business: bool,
    /// The tokens of attempts whose leases others took over.
    overtaken: Mutex<Vec<OwnerToken>>,
}

impl Speaking {
    fn new() -> Self {
        Self {
            services: Arc::new(Services::in_memory().with_dead_letter_queue("dead")),
            business: false,
            overtaken: Mutex::default(),
        }
    }

    fn key_of(&self, message: &str, deed: &str) -> Key {
        let business = business_key(deed);
        Key::new(Self::NAMESPACE, if self.business { &business } else { message }).unwrap()
    }

    /// Lets another attempt take the lease over, as if its own had ended.
    async fn be_overtaken(&self, key: Key) {
        let ledger = self.services.ledger();
        let mine = ledger.store().record(&key).unwrap().owner.unwrap();
        self.overtaken.lock().unwrap().push(mine);
        let late = Timestamp::now().plus(Duration::from_secs(3600));
        assert!(matches!(
            ledger.claim(&Attempt::new(key, late, late)).await.unwrap(),
            Claim::Granted(_)
        ));
    }
}

/// Not even these characters break a line, or the ID of a record.
fn business_key(deed: &str) -> String {
    format!("\"{deed}\"\n#1")
}

impl Handler for Speaking {
    type Message = String;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "speaking";

    fn key(&self, deed: &String, _: &Received) -> IdempotencyKey {
        tracing::info!("naming a key");
        match self.business {
            true => IdempotencyKey::business(business_key(deed)),
            false => IdempotencyKey::of_message(),
        }
    }

    async fn handle(&self, deed: String, delivery: &Delivery) -> Result<Completion, Failure> {
        tracing::info!("at work");
        if deed.starts_with("overtaken") {
            self.be_overtaken(self.key_of(delivery.message_id(), &deed)).await;
        }
        match deed.rsplit(' ').next() {
            Some("fail") => Err(Failure::retry_after(Duration::from_secs(60), "not today")),
            Some("reject") => Err(Failure::permanent("not ever")),
            _ => Ok(Completion::new()),
        }
    }
}

const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

/// The lines of a batch of messages `m-0`, `m-1` and so on, a deed each.
fn lines_of_a_batch(handler: &Arc<Speaking>, deeds: &[&str]) -> Vec<Value> {
    let message = |(n, deed): (usize, &&str)| Incoming {
        trace_header: Some(format!("Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1")),
        ..Incoming::new(MessageId::new(format!("m-{n}")).unwrap(), format!("\"{deed}\""))
    };
    let messages = deeds.iter().enumerate().map(message).collect();
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

/// What is said of a message at a level.
fn said<'a>(lines: &'a [Value], message: &str, level: &str) -> Vec<&'a Value> {
    let said = lines
        .iter()
        .filter(|line| line["messageId"] == message && line["level"] == level);
    said.collect()
}

#[test]
fn what_is_said_of_a_message_and_by_its_handler_names_it_and_its_trace() {
    let lines = lines_of_a_batch(&Arc::new(Speaking::new()), &["succeed", "fail", "reject"]);
    for message in ["m-0", "m-1", "m-2"] {
        let [naming, working] = said(&lines, message, "INFO").try_into().unwrap();
        assert_eq!(
            (&naming["message"], &working["message"]),
            (&"naming a key".into(), &"at work".into())
        );
    }
    assert!(lines.iter().all(|line| line["traceId"] == TRACE), "{lines:?}");
    let [failed] = said(&lines, "m-1", "WARN").try_into().unwrap();
    assert_eq!(
        (&failed["message"], &failed["retryAfterSeconds"]),
        (&"failed: not today".into(), &60.into())
    );
    let [rejected] = said(&lines, "m-2", "ERROR").try_into().unwrap();
    assert_eq!(
        (&rejected["message"], &rejected["deadLettered"]),
        (&"rejected: not ever".into(), &true.into())
    );
}

#[test]
fn once_the_key_is_known_every_line_about_a_message_names_its_record() {
    for business in [false, true] {
        let handler = Arc::new(Speaking {
            business,
            ..Speaking::new()
        });
        let deeds = ["succeed", "fail", "reject", "overtaken"];
        let lines = lines_of_a_batch(&handler, &deeds);
        for (n, deed) in deeds.into_iter().enumerate() {
            let message = format!("m-{n}");
            let key = handler.key_of(&message, deed);
            let mut about = lines.iter().filter(|line| line["messageId"] == *message);
            let naming = about.next().unwrap();
            assert!(
                naming["key"].is_null() && naming["message"] == "naming a key",
                "{naming}"
            );
            let keys: Vec<_> = about.map(|line| line["key"].as_str().unwrap()).collect();
            assert!(
                keys.len() > 1 && keys.iter().all(|said| *said == key.record_id()),
                "{lines:?}"
            );
            // What failed left none.
            assert_eq!(handler.services.store().record(&key).is_some(), deed != "fail");
        }
    }
}

#[test]
fn what_is_done_or_was_done_before_adds_nothing_to_a_log_without_debug() {
    let handler = Arc::new(Speaking::new());
    for _ in 0..2 {
        let mut lines = lines_of_a_batch(&handler, &["succeed"; 3]);
        lines.retain(|line| {
            line["level"] != "DEBUG" && line["message"] != "naming a key" && line["message"] != "at work"
        });
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn a_message_whose_key_its_body_does_not_tell_is_rejected_under_the_key_that_its_line_names() {
    let handler = Arc::new(Speaking {
        business: true,
        ..Speaking::new()
    });
    let lines = lines_of_a_batch(&handler, &["no\" string"]);
    let [rejected] = said(&lines, "m-0", "ERROR").try_into().unwrap();
    assert_eq!(rejected["key"], "speaking#m-0");
    let key = Key::from_record_id("speaking#m-0").unwrap();
    assert_eq!(handler.services.store().record(&key).unwrap().status, Status::Rejected);
}

#[test]
fn a_lost_lease_is_told_with_the_token_of_the_attempt_that_lost_it() {
    for deed in ["overtaken", "overtaken fail", "overtaken reject"] {
        let handler = Arc::new(Speaking::new());
        let lines = lines_of_a_batch(&handler, &[deed]);
        let told = said(&lines, "m-0", "WARN");
        let told = told.iter().find(|line| {
            let text = line["message"].as_str().unwrap();
            text.contains("another attempt took the lease over")
        });
        let told = told.unwrap();
        let [loser] = handler.overtaken.lock().unwrap().clone().try_into().unwrap();
        assert_eq!(
            (&told["owner"], &told["key"]),
            (&loser.as_str().into(), &"speaking#m-0".into()),
            "{deed}"
        );
        // As does what its handler said.
        assert_eq!(said(&lines, "m-0", "INFO")[1]["owner"], loser.as_str());
    }
}

#[test]
fn what_is_in_progress_elsewhere_is_told_with_the_token_in_the_record_and_its_leases_end() {
    let handler = Arc::new(Speaking::new());
    let now = Timestamp::now();
    let end = now.plus(Duration::from_secs(60));
    let other = Attempt::new(handler.key_of("m-0", "succeed"), now, end);
    let claim = runtime().block_on(handler.services.ledger().claim(&other)).unwrap();
    assert!(matches!(claim, Claim::Granted(_)));
    let lines = lines_of_a_batch(&handler, &["succeed", "succeed"]);
    let [_, told] = said(&lines, "m-0", "INFO").try_into().unwrap();
    assert_eq!(told["message"], "in progress: another attempt holds the lease");
    assert_eq!(
        (&told["owner"], &told["key"], &told["leaseEnd"]),
        (
            &other.owner().as_str().into(),
            &"speaking#m-0".into(),
            &end.millis().into()
        )
    );
}

#[test]
fn a_letter_that_was_not_sent_is_told_with_its_message() {
    let handler = Arc::new(Speaking::new());
    handler.services.queues().inject(QueueFault::NotSent);
    let lines = lines_of_a_batch(&handler, &["reject"]);
    let [warned] = said(&lines, "m-0", "WARN").try_into().unwrap();
    let text = warned["message"].as_str().unwrap();
    assert!(text.starts_with("it was not dead-lettered: queue dead: "), "{text}");
    let [rejected] = said(&lines, "m-0", "ERROR").try_into().unwrap();
    assert_eq!(rejected["deadLettered"], false);
}
