use super::*;

const WINDOW: Duration = Duration::from_secs(30);

fn message(id: &str) -> Incoming {
    Incoming::new(MessageId::new(id).unwrap(), "{}")
}

fn in_group(id: &str, group: &str) -> Incoming {
    Incoming {
        group: Some(group.to_owned()),
        ..message(id)
    }
}

async fn receive(source: &MemorySource) -> Vec<(Incoming, MemoryReceipt)> {
    source.receive(10).await.unwrap()
}

fn ids(received: &[(Incoming, MemoryReceipt)]) -> Vec<&str> {
    received.iter().map(|(message, _)| message.id.as_str()).collect()
}

async fn settle(source: &MemorySource, receipt: &MemoryReceipt, verdict: Verdict) -> Result<(), SourceFault> {
    let mut results = source.settle(&mut [(receipt.clone(), verdict)]).await;
    results.remove(0).map_err(|error| error.fault)
}

const NOW: Verdict = Verdict::Retry {
    at: Some(Timestamp::from_millis(0)),
};

#[tokio::test(start_paused = true)]
async fn an_empty_queue_is_polled_for_twenty_seconds() {
    let source = MemorySource::new();
    let started = Instant::now();
    assert!(receive(&source).await.is_empty());
    assert_eq!(started.elapsed(), LONG_POLL);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_returns_when_a_message_arrives() {
    let source = MemorySource::new();
    let started = Instant::now();
    let send = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        source.send(message("a"));
    };
    let (received, ()) = tokio::join!(receive(&source), send);
    assert_eq!(ids(&received), ["a"]);
    assert_eq!(started.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_returns_when_the_queue_closes() {
    let source = MemorySource::new();
    let started = Instant::now();
    let (received, ()) = tokio::join!(receive(&source), source.close());
    source.send(message("a"));
    assert!(received.is_empty() && receive(&source).await.is_empty());
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_message_reappears_when_its_window_ends() {
    let source = MemorySource::new().with_window(Duration::from_secs(7));
    source.send(message("a"));
    receive(&source).await;
    let started = Instant::now();
    let again = receive(&source).await;
    assert_eq!(started.elapsed(), Duration::from_secs(7));
    assert_eq!((ids(&again), again[0].0.receive_count), (vec!["a"], 2));
}

#[tokio::test(start_paused = true)]
async fn carried_attempts_count_as_receives() {
    let source = MemorySource::new();
    source.send(Incoming {
        receive_count: 4,
        ..message("a")
    });
    assert_eq!(receive(&source).await[0].0.receive_count, 4);
    source.redeliver();
    assert_eq!(receive(&source).await[0].0.receive_count, 5);
}

#[tokio::test(start_paused = true)]
async fn an_old_receipt_succeeds_and_deletes_nothing() {
    let source = MemorySource::new();
    source.send(message("a"));
    let first = receive(&source).await.remove(0).1;
    source.redeliver();
    let second = receive(&source).await.remove(0).1;
    assert_eq!(settle(&source, &first, Verdict::Done).await, Ok(()));
    assert_eq!(settle(&source, &first, NOW).await, Err(SourceFault::ReceiptLost));
    assert!(source.left()[0].hidden_for == WINDOW && source.deleted().is_empty());
    assert_eq!(settle(&source, &second, Verdict::Done).await, Ok(()));
    assert!(source.left().is_empty() && source.deleted().len() == 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_receipt_deletes_after_its_window_but_not_in_order() {
    for (source, expected) in [
        (MemorySource::new(), Ok(())),
        (MemorySource::fifo(), Err(SourceFault::ReceiptLost)),
        (MemorySource::held(), Err(SourceFault::ReceiptLost)),
    ] {
        source.send(in_group("a", "g"));
        let receipt = receive(&source).await.remove(0).1;
        source.redeliver();
        assert_eq!(settle(&source, &receipt, Verdict::Done).await, expected);
        assert_eq!(source.left().len(), usize::from(expected.is_err()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_its_message_in_flight() {
    let source = MemorySource::fifo();
    for (id, group) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        source.send(in_group(id, group));
    }
    let first = source.receive(1).await.unwrap();
    assert_eq!((ids(&first), ids(&receive(&source).await)), (vec!["a1"], vec!["b1"]));
    settle(&source, &first[0].1, NOW).await.unwrap();
    assert_eq!(ids(&receive(&source).await), ["a1", "a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_held_message_stays_in_flight_until_it_is_settled() {
    let source = MemorySource::held();
    source.send(in_group("a1", "a"));
    source.send(in_group("a2", "a"));
    let first = receive(&source).await;
    assert_eq!(ids(&first), ["a1", "a2"]);
    tokio::time::advance(Duration::from_secs(86_400)).await;
    assert!(source.left().iter().all(|left| left.hidden_for == Duration::MAX));
    let at = Some(source.now().plus(Duration::from_secs(60)));
    settle(&source, &first[0].1, Verdict::Retry { at }).await.unwrap();
    source.send(in_group("a3", "a"));
    assert_eq!(
        ids(&receive(&source).await),
        [""; 0],
        "it would overtake the one that is returned"
    );
    settle(&source, &first[1].1, Verdict::Retry { at }).await.unwrap();
    assert_eq!(ids(&receive(&source).await), ["a1", "a2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_no_longer_than_the_longest_time() {
    let source = MemorySource::new().with_longest(Duration::from_secs(40));
    source.send(message("a"));
    let mut receipt = receive(&source).await.remove(0).1;
    tokio::time::advance(Duration::from_secs(15)).await;
    let extended = source.extend(std::slice::from_mut(&mut receipt), WINDOW).await;
    assert!(extended[0].is_ok());
    assert_eq!(source.left()[0].hidden_for, Duration::from_secs(25));
}

#[tokio::test(start_paused = true)]
async fn each_fault_has_its_effect_on_one_request() {
    let source = MemorySource::new();
    for id in ["a", "b", "c"] {
        source.send(message(id));
    }
    for (fault, expected) in [
        (InjectedFault::Unavailable, SourceFault::Unavailable),
        (InjectedFault::Refused, SourceFault::Refused),
    ] {
        source.inject(SourceOperation::Receive, fault);
        assert_eq!(source.receive(1).await.unwrap_err().fault, expected);
        assert_eq!(source.left()[0].receives, 0);
    }
    source.inject(SourceOperation::Receive, InjectedFault::ReplyLost);
    source.receive(1).await.unwrap_err();
    assert_eq!(source.left()[0].receives, 1);
    source.redeliver();

    source.inject(SourceOperation::Receive, InjectedFault::EntryFails(1));
    let received = receive(&source).await;
    assert_eq!(ids(&received), ["a", "c"]);
    let mut done: Vec<_> = received
        .into_iter()
        .map(|(_, receipt)| (receipt, Verdict::Done))
        .collect();
    source.inject(SourceOperation::Settle, InjectedFault::EntryFails(0));
    let settled = source.settle(&mut done).await;
    assert!(settled[0].is_err() && settled[1].is_ok() && source.left().len() == 2);
    source.inject(SourceOperation::Settle, InjectedFault::ReplyLost);
    assert!(source.settle(&mut done[..1]).await[0].is_err());
    assert_eq!(source.left().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_does_nothing() {
    let source = MemorySource::new();
    source.send(message("a"));
    let receipt = receive(&source).await.remove(0).1;
    source.inject(SourceOperation::Settle, InjectedFault::Hangs);
    let settled = settle(&source, &receipt, Verdict::Done);
    assert!(tokio::time::timeout(Duration::from_secs(3600), settled).await.is_err());
    assert_eq!(source.left().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_record_states_what_was_requested_when() {
    let source = MemorySource::new();
    source.send(message("a"));
    let started = source.now();
    let mut receipt = receive(&source).await.remove(0).1;
    tokio::time::advance(Duration::from_secs(5)).await;
    source.extend(std::slice::from_mut(&mut receipt), WINDOW).await;
    source.inject(SourceOperation::Settle, InjectedFault::Unavailable);
    settle(&source, &receipt, Verdict::Done).await.unwrap_err();
    let record = source.record().into_iter();
    let record: Vec<_> = record
        .map(|one| (started.until(one.at).as_secs(), one.action, one.fault))
        .collect();
    let expected = [
        (0, SourceAction::Received { receive_count: 1 }, None),
        (5, SourceAction::Extended { by: WINDOW }, None),
        (5, SourceAction::Settled(Verdict::Done), Some(SourceFault::Unavailable)),
    ];
    assert_eq!(record, expected);
}
