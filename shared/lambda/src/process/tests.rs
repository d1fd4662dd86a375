//! What becomes of the records of an event.

use std::sync::Mutex;
use std::time::Duration;

use consumer::dead_letter::{FAILURE, ORIGINAL, Original, Rejection};
use consumer::{Delivery, Failure, Incoming, MemoryQueues, MessageId, QueueFault};
use idempotency::{Completion, MemoryStore, NoWrites, Timestamp};
use scripted::Hanging;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::event::Record;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A ledger and queues that never answer.
fn hanging() -> Hanging<NoWrites> {
    Hanging::default()
}

struct Waiting;

impl Handler for Waiting {
    type Message = ();
    type Write = NoWrites;
    const NAMESPACE: &'static str = "waiting";
    const MODE: consumer::Mode = consumer::Mode::OneStep;

    async fn handle(&self, _: (), _: &Delivery) -> Result<Completion, Failure> {
        Ok(Completion::new())
    }
}

fn records(count: usize) -> Records {
    let record = |n: usize| {
        Ok(Record {
            message: Incoming::new(MessageId::new(n.to_string()).unwrap(), "null"),
            receipt_handle: n.to_string(),
        })
    };
    Records {
        queue_arn: "arn:aws:sqs:eu-west-1:1:orders".to_owned(),
        records: (0..count).map(record).collect(),
        numbered: false,
    }
}

/// How long Lambda reserves: for the delays, and for the response.
fn reserved(total: Duration) -> (Duration, Duration) {
    let share = total / 20;
    (share.min(Duration::from_secs(1)), share.min(Duration::from_millis(500)))
}

#[tokio::test(start_paused = true)]
async fn a_hanging_ledger_leaves_time_for_delays_and_response() {
    for seconds in [1, 3, 10, 30, 900] {
        let total = Duration::from_secs(seconds);
        let (services, started) = (Services::new(hanging(), hanging()), Instant::now());
        let invocation = Invocation::new(NOW, NOW.plus(total));
        let requested = Mutex::new(Vec::new());
        let change_visibility = async |changes: Vec<VisibilityChange>| {
            requested.lock().unwrap().push((started.elapsed(), changes.len()));
            Ok(())
        };
        let handler = Arc::new(Waiting);
        let processed = process(&handler, &services, records(3), &invocation, change_visibility);
        let response = processed.await.response.unwrap();
        assert_eq!(response.batch_item_failures.len(), 3, "broken promise 5");
        let (for_delays, for_response) = reserved(total);
        let [(at, 3)] = requested.into_inner().unwrap()[..] else {
            panic!("the delays were not requested once for all");
        };
        assert!(at <= total - for_delays - for_response, "{at:?} of {total:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn hanging_delays_leave_time_for_the_response() {
    for seconds in [1, 3, 10, 30, 900] {
        let total = Duration::from_secs(seconds);
        let (services, started) = (Services::new(hanging(), hanging()), Instant::now());
        let invocation = Invocation::new(NOW, NOW.plus(total));
        let hang = async |_: Vec<VisibilityChange>| std::future::pending().await;
        let processed = process(&Arc::new(Waiting), &services, records(25), &invocation, hang).await;
        let (response, summary) = (processed.response.unwrap(), processed.summary);
        assert_eq!(response.batch_item_failures.len(), 25, "broken promise 5");
        assert_eq!(summary.done, 0);
        let (_, for_response) = reserved(total);
        assert!(
            started.elapsed() <= total - for_response,
            "{:?} of {total:?}",
            started.elapsed()
        );
    }
}

/// Lambda's trace of the invocation.
const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0;Lineage=1:a1b2c3d4:0";

const DLQ: &str = "https://sqs.eu-west-1.amazonaws.com/1/orders-dlq.fifo";

type InMemory = Services<MemoryStore<NoWrites>, MemoryQueues>;

/// Records the bodies that it gets.
#[derive(Default)]
struct Recording(Mutex<Vec<Value>>);

impl Handler for Recording {
    type Message = Value;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "recording";

    async fn handle(&self, body: Value, _: &Delivery) -> Result<Completion, Failure> {
        self.0.lock().unwrap().push(body);
        Ok(Completion::new())
    }
}

/// A record whose body is a number, with these fields set.
fn sqs_record(id: &str, group: &str, fields: Value) -> Value {
    let mut record = json!({
        "messageId": id,
        "receiptHandle": format!("handle of {id}"),
        "body": id.trim_start_matches("m-"),
        "attributes": {"MessageGroupId": group},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:1:orders.fifo",
    });
    record
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    record
}

/// What an event results in: the IDs listed in the response, or why there is none; the bodies handled; the summary.
async fn result(services: &InMemory, records: Vec<Value>) -> (Result<Vec<String>, String>, Vec<Value>, Summary) {
    let handler = Arc::<Recording>::default();
    let records = Records::read(&json!({ "Records": records }).to_string()).unwrap();
    let invocation = Invocation::new(NOW, NOW.plus(Duration::from_secs(30))).with_trace(Some(TRACE));
    let unused = async |_: Vec<VisibilityChange>| unreachable!("no message has a delay");
    let Processed { response, summary, .. } = process(&handler, services, records, &invocation, unused).await;
    let listed = response.map(|response| {
        let failures = response.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    });
    let mut handled = handler.0.lock().unwrap().clone();
    handled.sort_by_key(Value::to_string);
    (listed, handled, summary)
}

fn in_memory() -> InMemory {
    Services::new(MemoryStore::new(), MemoryQueues::new())
}

/// A field that makes a record odd.
fn odd() -> Value {
    json!({"md5OfBody": 4111})
}

fn of_standard_queue(mut record: Value) -> Value {
    record["eventSourceARN"] = "arn:aws:sqs:eu-west-1:1:orders".into();
    record
}

#[tokio::test(start_paused = true)]
async fn an_odd_record_is_returned_and_others_are_processed() {
    let records = [
        ("m-1", json!({})),
        ("m-2", odd()),
        ("m-3", json!({"receiptHandle": null, "attributes": null})),
        ("m-4", json!({})),
    ];
    let records = records.map(|(id, fields)| of_standard_queue(sqs_record(id, "g", fields)));
    let (listed, handled, summary) = result(&in_memory(), records.into()).await;
    assert_eq!(listed.unwrap(), ["m-2", "m-3"]);
    assert_eq!(handled, [1, 4]);
    assert_eq!((summary.done, summary.failed, summary.not_started), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn if_all_records_are_odd_all_are_returned() {
    let records = ["m-1", "m-2"].map(|id| sqs_record(id, "g", odd()));
    let (listed, handled, _) = result(&in_memory(), records.into()).await;
    assert_eq!(
        (listed.unwrap(), handled),
        (vec!["m-1".to_owned(), "m-2".to_owned()], vec![])
    );
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_odd_once_is_returned() {
    let records = [json!({}), odd()].map(|fields| of_standard_queue(sqs_record("m-1", "g", fields)));
    let (listed, handled, _) = result(&in_memory(), records.into()).await;
    assert_eq!((listed.unwrap(), handled), (vec!["m-1".to_owned()], vec![json!(1)]));
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_behind_its_odd_record() {
    let records = vec![
        sqs_record("m-1", "a", json!({})),
        sqs_record("m-2", "a", odd()),
        sqs_record("m-3", "b", json!({})),
        sqs_record("m-4", "a", json!({})),
    ];
    let (listed, handled, summary) = result(&in_memory(), records).await;
    assert_eq!(listed.unwrap(), ["m-2", "m-4"]);
    assert_eq!(handled, [1, 3]);
    assert_eq!((summary.failed, summary.not_started), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn all_messages_wait_behind_a_record_of_unknown_group() {
    let records = vec![
        sqs_record("m-1", "a", json!({})),
        sqs_record("m-2", "a", json!({"attributes": {"MessageGroupId": 7}})),
        sqs_record("m-3", "b", json!({})),
    ];
    let (listed, handled, _) = result(&in_memory(), records).await;
    assert_eq!(
        (listed.unwrap(), handled),
        (vec!["m-2".to_owned(), "m-3".to_owned()], vec![json!(1)])
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_without_an_id_is_dead_lettered() {
    let services = in_memory().with_dead_letter_queue(DLQ);
    let attributes = json!({"tenant": {"dataType": "String", "stringValue": "blue"}});
    let records = vec![
        sqs_record("m-1", "a", json!({})),
        sqs_record("m-2", "a", json!({"messageId": null, "messageAttributes": attributes})),
        Value::Null,
        sqs_record("m-4", "b", json!({})),
    ];
    let (listed, handled, summary) = result(&services, records).await;
    // The last one waits: nothing states the group of the record that is null.
    assert_eq!((listed.unwrap(), handled), (vec!["m-4".to_owned()], vec![json!(1)]));
    assert_eq!((summary.done, summary.rejected, summary.not_started), (1, 2, 1));
    let [first, second] = services.queues().sent(DLQ).try_into().unwrap();
    assert_eq!(
        [&first, &second].map(|sent| sent.trace_header.as_deref()),
        [Some(TRACE); 2]
    );
    let text = |name: &str| first.attributes[name].string_value.clone().unwrap();
    assert_eq!(
        (first.body.as_str(), first.group.as_deref(), text("tenant").as_str()),
        ("2", Some("a"), "blue")
    );
    let expected = "the record has no usable message ID: messageId is missing or null";
    assert_eq!(Rejection::from_json(&text(FAILURE)).unwrap().reason, expected);
    let queue = Original::from_json(&text(ORIGINAL)).unwrap().queue;
    assert_eq!(queue.as_deref(), Some("arn:aws:sqs:eu-west-1:1:orders.fifo"));
    assert_eq!((second.body.as_str(), second.group.is_some()), ("null", true));
    assert_ne!(first.deduplication_id, second.deduplication_id);
}

#[tokio::test(start_paused = true)]
async fn without_its_dead_letter_the_whole_batch_is_redelivered() {
    let failing = in_memory().with_dead_letter_queue(DLQ);
    // Both forms of it.
    failing.queues().inject(QueueFault::Refused);
    failing.queues().inject(QueueFault::Refused);
    for services in [in_memory(), failing] {
        let records = vec![
            sqs_record("m-1", "a", json!({})),
            sqs_record("m-2", "b", json!({"messageId": 4111})),
        ];
        let (response, handled, _) = result(&services, records.clone()).await;
        let why = response.unwrap_err();
        assert!(
            why.starts_with("record 1 of the event: the record has no usable message ID: messageId is a number"),
            "{why}"
        );
        assert_eq!(handled, [1], "it is recorded");
        let (_, handled, summary) = result(&services, records).await;
        assert_eq!((handled.len(), summary.duplicate), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_dead_letter_queue_holds_up_no_other_message() {
    let services = in_memory().with_dead_letter_queue(DLQ);
    services.queues().inject(QueueFault::SendHangs);
    let records = vec![sqs_record("", "b", json!({})), sqs_record("m-1", "a", json!({}))];
    let (response, handled, _) = result(&services, records).await;
    assert!(response.is_err());
    assert_eq!(handled, [1]);
}
