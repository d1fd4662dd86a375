//! Sending to queues that fail, on paused time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::time::Duration;

use consumer::{MemoryQueues, QueueFault};
use producer::{DEFAULT_TIME_LIMIT, Message, Producer, SendError, Unconfirmed};
use tokio::time::Instant;

const QUEUE: &str = "orders";

fn message(key: &str) -> Message {
    Message::json(key, &format!("body of {key}")).unwrap()
}

fn messages(keys: &[&str]) -> Vec<Message> {
    keys.iter().copied().map(message).collect()
}

/// A producer for queues that fail in these ways, one request after the other.
fn failing(faults: &[QueueFault]) -> Producer<MemoryQueues> {
    let queues = MemoryQueues::new();
    faults.iter().for_each(|fault| queues.inject(*fault));
    Producer::new(queues, QUEUE)
}

/// The keys of the messages that arrived, in order.
fn arrived(producer: &Producer<MemoryQueues>) -> Vec<String> {
    let sent = producer.queues().sent(producer.queue_url()).into_iter();
    let key = |attribute: &consumer::Attribute| attribute.string_value.clone().unwrap();
    sent.map(|message| key(&message.attributes["IdempotencyKey"])).collect()
}

/// Positions of the messages that are not confirmed, and whether the queue refused them.
fn unconfirmed(error: &SendError) -> (Vec<usize>, bool) {
    match error {
        SendError::Unconfirmed {
            unconfirmed, refused, ..
        } => (unconfirmed.iter().map(|it| it.position).collect(), *refused),
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_not_sent_is_sent_again_alone() {
    let producer = failing(&[QueueFault::EntryNotSent(1)]);
    producer.send_all(messages(&["a", "b", "c"])).await.unwrap();
    assert_eq!(arrived(&producer), ["a", "c", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_queue_gets_messages_once_it_accepts_them() {
    let producer = failing(&[QueueFault::NotSent; 3]);
    let started = Instant::now();
    producer.send(message("a")).await.unwrap();
    assert_eq!(arrived(&producer), ["a"]);
    assert!(started.elapsed() > Duration::ZERO, "without a delay");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_sends_the_message_again_unchanged() {
    let producer = failing(&[QueueFault::ReplyLost]);
    producer.send(message("a")).await.unwrap();
    let [one, other] = producer.queues().sent(QUEUE).try_into().unwrap();
    assert_eq!(one, other);
}

#[tokio::test(start_paused = true)]
async fn a_busy_queue_is_tried_until_the_time_limit() {
    let producer = failing(&[QueueFault::NotSent; 1000]);
    let started = Instant::now();
    let error = producer.send_all(messages(&["a", "b"])).await.unwrap_err();
    assert_eq!(unconfirmed(&error), (vec![0, 1], false));
    let waited = started.elapsed();
    assert!(waited <= DEFAULT_TIME_LIMIT, "{waited:?}");
    assert!(waited > DEFAULT_TIME_LIMIT - Duration::from_millis(20), "{waited:?}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_not_confirmed_is_named() {
    let faults = [&[QueueFault::EntryNotSent(2)][..], &[QueueFault::NotSent; 1000]].concat();
    let producer = failing(&faults);
    let error = producer.send_all(messages(&["a", "b", "c"])).await.unwrap_err();
    let SendError::Unconfirmed { unconfirmed, of: 3, .. } = &error else {
        panic!("{error}");
    };
    let expected = Unconfirmed {
        position: 2,
        key: "c".to_owned(),
    };
    assert_eq!(*unconfirmed, [expected]);
    assert_eq!(
        error.to_string(),
        "1 of 3 messages not confirmed; they may have arrived: 2 (key \"c\"); answer 503 with Retry-After, so that the client \
         repeats the request with the same Idempotency-Key"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_without_answer_ends_at_the_time_limit() {
    let limit = Duration::from_secs(2);
    let producer = failing(&[QueueFault::SendHangs]).with_time_limit(limit);
    let started = Instant::now();
    let error = producer.send(message("a")).await.unwrap_err();
    assert_eq!(started.elapsed(), limit);
    assert_eq!(unconfirmed(&error), (vec![0], false));
    let chain = consumer::Chain(&error).to_string();
    assert!(chain.ends_with("queue orders: no answer within 2s"), "{chain}");
}

#[tokio::test(start_paused = true)]
async fn the_cause_before_a_hanging_request_is_reported() {
    let producer = failing(&[QueueFault::NotSent, QueueFault::SendHangs]);
    let error = producer.send(message("a")).await.unwrap_err();
    let chain = consumer::Chain(&error).to_string();
    assert!(chain.ends_with("queue orders: injected"), "{chain}");
    assert_eq!(unconfirmed(&error), (vec![0], false));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_at_once_with_every_message_unconfirmed() {
    let producer = failing(&[QueueFault::Refused]);
    let started = Instant::now();
    let error = producer.send_all(messages(&["a", "b"])).await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(unconfirmed(&error), (vec![0, 1], true));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_no_message_confirmed_before() {
    let producer = failing(&[QueueFault::EntryNotSent(1), QueueFault::Refused]);
    let error = producer.send_all(messages(&["a", "b"])).await.unwrap_err();
    assert_eq!(unconfirmed(&error), (vec![1], true));
    assert_eq!(arrived(&producer), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn many_unconfirmed_messages_are_counted_not_listed() {
    let keys: Vec<_> = (0..7).map(|number| number.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let error = failing(&[QueueFault::Refused]).send_all(messages(&keys)).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("4 (key \"4\") and 2 more; answer 503"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_if_one_message_is_unsendable() {
    for (odd, why) in [
        (message(""), "its idempotency key is empty"),
        (
            message("b\u{1}"),
            "attribute IdempotencyKey contains characters that the queue",
        ),
        (
            message("b").with_attribute("IdempotencyKey", "c"),
            "its attribute IdempotencyKey has a reserved",
        ),
        (
            message("b").with_attribute("Consumer.Original", "{}"),
            "its attribute Consumer.Original has a reserved",
        ),
        (message("b").with_group(""), "its message group has a name"),
        (
            Message::json("b", &"x".repeat(1024 * 1024)).unwrap(),
            "body and attributes take",
        ),
    ] {
        let producer = failing(&[]);
        let error = producer.send_all(vec![message("a"), odd]).await.unwrap_err();
        let SendError::Unsendable {
            position: 1,
            why: stated,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert!(stated.starts_with(why), "{stated}");
        assert_eq!(error.retry_after(), None);
        assert_eq!(arrived(&producer), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_ordered_queue_requires_a_group() {
    let producer = Producer::new(MemoryQueues::new(), "orders.fifo");
    let error = producer.send(message("a")).await.unwrap_err();
    assert!(error.to_string().contains("no message group"), "{error}");
    producer.send(message("a").with_group("ada")).await.unwrap();
    let [sent] = producer.queues().sent("orders.fifo").try_into().unwrap();
    assert_eq!(sent.group.as_deref(), Some("ada"));
}

/// Promise 8: the ledger sees a used key with another body only if the queue does not drop it.
#[tokio::test(start_paused = true)]
async fn a_deduplication_id_is_of_key_and_body() {
    let producer = failing(&[]);
    let other_body = Message::json("a", &"another").unwrap();
    let stated = message("a").with_deduplication_id("mine");
    let all = vec![message("a"), message("a"), other_body, message("b"), stated];
    producer.send_all(all).await.unwrap();
    let ids: Vec<_> = producer
        .queues()
        .sent(QUEUE)
        .into_iter()
        .map(|it| it.deduplication_id.unwrap())
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0] != ids[2] && ids[0] != ids[3] && ids[2] != ids[3], "{ids:?}");
    // As long as SQS accepts.
    assert!(ids[0].len() <= 128 && ids[0].bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(ids[4], "mine");
}

#[tokio::test(start_paused = true)]
async fn a_message_carries_attributes_and_valid_traces() {
    const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let producer = failing(&[]);
    let traced = message("a").with_trace_header(XRAY).with_traceparent(W3C);
    let untraced = message("b").with_trace_header("Self=1").with_traceparent("00-1-2-3");
    let all = vec![traced.with_attribute("tenant", "blue"), untraced];
    producer.send_all(all).await.unwrap();
    let [traced, untraced] = producer.queues().sent(QUEUE).try_into().unwrap();
    assert_eq!(traced.trace_header.as_deref(), Some(XRAY));
    let value = |name: &str| traced.attributes[name].string_value.as_deref();
    assert_eq!((value("traceparent"), value("tenant")), (Some(W3C), Some("blue")));
    assert_eq!(traced.attributes["tenant"].data_type.as_deref(), Some("String"));
    assert_eq!(traced.body, "\"body of a\"");
    assert_eq!((untraced.trace_header, untraced.attributes.len()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_trace_that_has_no_room_does_not_cost_the_message() {
    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let producer = failing(&[]);
    // With the key, as many attributes as a queue accepts, or fewer.
    for (own, expected) in [(7, (true, true)), (8, (true, false)), (9, (false, false))] {
        let traced = message("a").with_traceparent(W3C).with_tracestate("vendor=1");
        let traced = (0..own).fold(traced, |message, n| message.with_attribute(format!("a{n}"), "v"));
        producer.send(traced).await.unwrap();
        let sent = producer.queues().sent(QUEUE).pop().unwrap();
        let has = |name| sent.attributes.contains_key(name);
        assert_eq!((has("traceparent"), has("tracestate")), expected, "{own}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_messages_are_no_request() {
    failing(&[QueueFault::Refused]).send_all(vec![]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn any_time_limit_has_an_end() {
    let producer = failing(&[QueueFault::SendHangs]).with_time_limit(Duration::MAX);
    let error = producer.send(message("a")).await.unwrap_err();
    assert_eq!(unconfirmed(&error), (vec![0], false));
}
