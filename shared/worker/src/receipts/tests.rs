#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

use consumer::MessageId;

use super::*;

const WINDOW: Duration = Duration::from_secs(30);

fn message(id: &str) -> Incoming {
    Incoming::new(MessageId::new(id).unwrap(), "{}")
}

/// A state with this many messages; each receipt is the number of its message.
fn state(messages: u64, now: Instant) -> State<u64> {
    let mut state = State::new(WINDOW);
    for number in 0..messages {
        assert_eq!(state.keep(&message(&number.to_string()), number, now), Some(number));
    }
    state
}

/// The receipts of what is due, which is then confirmed or not.
fn due(state: &mut State<u64>, now: Instant, result: Result<(), SourceFault>) -> (&'static str, Vec<u64>) {
    match state.due(now).request {
        None => ("nothing", Vec::new()),
        Some(Request::Extend { numbers, receipts }) => {
            let results = receipts.iter().map(|receipt| (*receipt, result));
            state.extended(numbers.into_iter().zip(results), now);
            ("extend", receipts)
        }
        Some(Request::Settle { numbers, messages }) => {
            let receipts: Vec<_> = messages.iter().map(|(receipt, _)| *receipt).collect();
            let results = receipts.iter().map(|receipt| (*receipt, result));
            state.settled(numbers.into_iter().zip(results), now);
            ("settle", receipts)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deletes_wait_for_a_full_request_or_a_short_time() {
    let now = Instant::now();
    // Messages, how many of them are done, milliseconds since; whether they are deleted now.
    for (messages, done, millis, is_due) in [
        (12, 9, 0, false),
        (12, 9, 199, false),
        (12, 9, 200, true),
        (12, 10, 0, true),
        (12, 12, 0, true),
        (3, 3, 0, true),
        (3, 2, 0, false),
        (3, 0, 200, false),
    ] {
        let mut state = state(messages, now);
        (0..done).for_each(|number| state.settle(number, Verdict::Done, now));
        let settled = due(&mut state, now + Duration::from_millis(millis), Ok(()));
        let expected = match is_due {
            true => ("settle", (0..done).collect()),
            false => ("nothing", vec![]),
        };
        assert_eq!(settled, expected, "{messages} {done} {millis}");
        let left = if is_due { messages - done } else { messages };
        assert_eq!(state.in_flight() as u64, left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_verdict_decides_whether_its_message_is_still_extended() {
    let now = Instant::now();
    let at = Some(Timestamp::now());
    for (verdict, extended) in [
        (Verdict::Done, vec![0, 1]),
        (Verdict::Rejected, vec![0, 1]),
        (Verdict::Retry { at }, vec![1]),
        (Verdict::Retry { at: None }, vec![1]),
    ] {
        let mut state = state(2, now);
        state.settle(0, verdict, now);
        let later = now + SETTLE_WITHIN;
        let unavailable = Err(SourceFault::Unavailable);
        assert_eq!(due(&mut state, later, unavailable), ("settle", vec![0]));
        assert_eq!(
            due(&mut state, now + WINDOW / 2, Ok(())),
            ("extend", extended),
            "{verdict:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_that_are_due_soon_are_extended_together() {
    let now = Instant::now();
    let mut state = state(1, now);
    for (number, after) in [(1, 2.9), (2, 3.1)] {
        state.keep(
            &message(&number.to_string()),
            number,
            now + Duration::from_secs_f64(after),
        );
    }
    assert_eq!(due(&mut state, now + WINDOW / 2, Ok(())), ("extend", vec![0, 1]));
    let next = state.due(now + WINDOW / 2).next.unwrap();
    assert_eq!(next - now, Duration::from_secs_f64(18.1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_receipt_is_not_extended_but_settles() {
    let now = Instant::now();
    let mut state = state(1, now);
    let half = now + WINDOW / 2;
    assert_eq!(
        due(&mut state, half, Err(SourceFault::ReceiptLost)),
        ("extend", vec![0])
    );
    assert!(state.due(half).next.is_none());
    // Received again: both receipts settle.
    assert_eq!(state.keep(&message("0"), 100, half), None);
    state.settle(0, Verdict::Done, half);
    assert_eq!(due(&mut state, half, Ok(())), ("settle", vec![0, 100]));
    assert!(state.is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_id_and_other_content_are_two() {
    let now = Instant::now();
    let mut state = state(1, now);
    let other = |change: fn(&mut Incoming)| {
        let mut message = message("0");
        change(&mut message);
        message
    };
    let others = [
        other(|message| message.body = "[]".to_owned()),
        other(|message| message.group = Some("a".to_owned())),
        other(|message| message.deduplication_id = Some("a".to_owned())),
        other(|message| {
            drop(
                message
                    .attributes
                    .insert("a".to_owned(), consumer::Attribute::default()),
            )
        }),
    ];
    for (number, other) in (1..).zip(&others) {
        assert_eq!(state.keep(other, number, now), Some(number));
    }
    // What changes from delivery to delivery is not content.
    assert_eq!(state.keep(&other(|message| message.receive_count = 2), 9, now), None);
}

#[test]
fn a_result_that_is_missing_is_no_confirmation() {
    let results: Vec<_> = faults(vec![Ok(())]).take(2).collect();
    assert_eq!(results, [Ok(()), Err(SourceFault::Unavailable)]);
}
