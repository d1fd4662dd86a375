//! Whatever is sent for a message carries the host's trace of this processing, not the producer's.

use std::sync::Arc;

use consumer::{Attribute, Incoming, QueueMessage, Received, Services, TraceContext, trace_id};

use crate::common::{
    Action, Claiming, DLQ, LABELS, MAIL, Memory, Message, Natural, OneStep, STANDARD, batch_of, body, failed,
    with_dead_letter_queue,
};

const PRODUCER: &str =
    "Root=1-67489d2c-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1;Lineage=7:a1b2c3d4:0";
const HOST: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=8:a1b2c3d4:0";

fn message(id: &str, action: Action, host: Option<&str>) -> Message {
    let Message(message) = Message::new(id, body(action)).trace(PRODUCER);
    Message(Incoming {
        host_trace: host.map(Arc::from),
        ..message
    })
}

/// The traces of all that was sent.
fn traces(services: &Memory) -> Vec<Option<String>> {
    let sent = [MAIL, LABELS, DLQ].map(|queue| services.queues().sent(queue)).concat();
    sent.into_iter().map(|message| message.trace_header).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_carries_the_trace_of_the_host() {
    for (host, expected) in [(Some(HOST), HOST), (None, PRODUCER)] {
        let batch = || {
            let messages = [("m-1", Action::Send), ("m-2", Action::Permanent)];
            batch_of(STANDARD, messages.map(|(id, action)| message(id, action, host)))
        };
        let services = with_dead_letter_queue();
        assert!(failed(&Claiming::new(), &services, batch()).await.is_empty());
        assert!(failed(&OneStep::new(), &services, batch()).await.is_empty());
        assert!(failed(&Natural::new(), &services, batch()).await.is_empty());
        assert_eq!(traces(&services), vec![Some(expected.to_owned()); 3 * 4]);
    }
}

const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const HOSTS_W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01";

/// A message whose producer sent these attributes.
fn with_attributes(action: Action, attributes: &[(&str, &str)]) -> Incoming {
    let Message(mut message) = Message::new("m-1", body(action));
    for (name, value) in attributes {
        let attribute = Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some((*value).to_owned()),
            binary_value: None,
        };
        message.attributes.insert((*name).to_owned(), attribute);
    }
    message
}

/// The attributes `traceparent` and `tracestate` of what is sent for the message.
async fn w3c_of_what_is_sent(message: Incoming) -> Vec<(Option<String>, Option<String>)> {
    let services = with_dead_letter_queue();
    assert!(
        failed(&Claiming::new(), &services, batch_of(STANDARD, [Message(message)]))
            .await
            .is_empty()
    );
    let sent = [MAIL, LABELS, DLQ].map(|queue| services.queues().sent(queue)).concat();
    let text = |message: &QueueMessage, name| message.attributes.get(name)?.string_value.clone();
    let traces = sent
        .iter()
        .map(|message| (text(message, "traceparent"), text(message, "tracestate")));
    traces.collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_carries_a_valid_w3c_trace() {
    let both = [("traceparent", W3C), ("tracestate", "vendor=1")];
    let (trace, state) = (Some(W3C.to_owned()), Some("vendor=1".to_owned()));
    for action in [Action::Send, Action::Permanent] {
        let sent = w3c_of_what_is_sent(with_attributes(action, &both)).await;
        assert!(!sent.is_empty());
        assert!(sent.iter().all(|it| *it == (trace.clone(), state.clone())), "{sent:?}");
    }
    for invalid in [
        &[("traceparent", "00-1-2-3"), ("tracestate", "vendor=1")][..],
        &[("tracestate", "vendor=1")],
        &[],
    ] {
        let sent = w3c_of_what_is_sent(with_attributes(Action::Send, invalid)).await;
        assert!(!sent.is_empty());
        assert!(sent.iter().all(|it| *it == (None, None)), "{sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hosts_w3c_trace_replaces_that_of_the_producer() {
    let message = Incoming {
        host_trace_context: TraceContext::new(HOSTS_W3C, None),
        ..with_attributes(Action::Send, &[("traceparent", W3C), ("tracestate", "vendor=1")])
    };
    assert_eq!(Received::from(message.clone()).traceparent(), Some(HOSTS_W3C));
    let sent = w3c_of_what_is_sent(message).await;
    assert!(!sent.is_empty());
    assert!(
        sent.iter().all(|it| *it == (Some(HOSTS_W3C.to_owned()), None)),
        "{sent:?}"
    );
}

#[test]
fn a_handler_reads_a_valid_w3c_trace_only() {
    let traceparent = |value| {
        let message = with_attributes(Action::Send, &[("traceparent", value)]);
        Received::from(message).traceparent().map(str::to_owned)
    };
    assert_eq!(traceparent(W3C).as_deref(), Some(W3C));
    assert_eq!(traceparent("00-1-2-3"), None);
}

/// SQS refuses a message with another text.
#[tokio::test]
async fn a_header_that_is_no_trace_is_not_sent() {
    let with = |producer: &str, host| {
        let Message(message) = Message::new("m-1", body(Action::Permanent)).trace(producer);
        Message(Incoming {
            host_trace: Some(Arc::from(host)),
            ..message
        })
    };
    for (producer, host, expected) in [
        (PRODUCER, "a trace of something else", Some(PRODUCER)),
        (PRODUCER, "Root=1-5759e988", Some(PRODUCER)),
        ("Root=;Sampled=1", "Parent=53995c3f42cd8ad8", None),
        ("Root=1-2-3;", "Root=1-2-x", None),
    ] {
        let services = with_dead_letter_queue();
        let batch = batch_of(STANDARD, [with(producer, host)]);
        assert!(failed(&Claiming::new(), &services, batch).await.is_empty());
        assert_eq!(traces(&services), [expected.map(str::to_owned)], "{producer}, {host}");
    }
}

/// The invocation that sends is the one that Lambda has to know, not the first that tried.
#[tokio::test(start_paused = true)]
async fn a_redelivery_sends_with_its_own_trace() {
    let services = Services::in_memory();
    for host in ["Root=1-1-1", "Root=1-2-2"] {
        let batch = batch_of(STANDARD, [message("m-1", Action::Send, Some(host))]);
        assert!(failed(&Claiming::new(), &services, batch).await.is_empty());
        assert_eq!(
            services.queues().sent(LABELS).pop().unwrap().trace_header.as_deref(),
            Some(host)
        );
    }
}

#[test]
fn the_root_of_a_trace_is_found_wherever_it_stands() {
    for header in [HOST, "Sampled=1; Root=1-5759e988-bd862e3fe1be46a994272793"] {
        assert_eq!(trace_id(header), Some("1-5759e988-bd862e3fe1be46a994272793"));
    }
    assert_eq!(trace_id("Parent=53995c3f42cd8ad8"), None);
}
