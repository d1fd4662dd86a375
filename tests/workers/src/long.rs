//! The scenario of a message that takes longer than it is hidden.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Harness, VISIBILITY};
use crate::place::Program;
use crate::queues::Message;
use crate::scenario::Shown;

/// Ten messages at once: one that takes three visibility timeouts, and nine that take no time.
pub(crate) async fn long(harness: &mut Harness) -> Shown {
    const SLOW: &str = "slow";
    for _ in 0..2 {
        harness.add(Program::Wait).await?;
    }
    let mut entries = vec![(SLOW.to_owned(), 3 * VISIBILITY)];
    entries.extend((0..9).map(|number| (format!("fast {number}"), Duration::from_millis(20))));
    let message = |(subject, wait): &(String, Duration)| Message {
        body: json!({ "subject": subject, "wait": u64::try_from(wait.as_millis()).unwrap_or_default() }),
        group: None,
    };
    let messages: Vec<_> = entries.iter().map(message).collect();
    let sent = harness.queues.send("notifications", &messages).await?;
    let slow = sent.into_iter().next().unwrap_or_default();
    let begun = Instant::now();
    harness.run(0)?;
    harness.run(1)?;
    harness.expected.extend(entries.into_iter().map(|(subject, _)| subject));
    let is_done = |harness: &Harness| {
        let arrivals = harness.receiver.arrivals();
        arrivals
            .iter()
            .any(|arrival| arrival.subject == SLOW && arrival.answered.is_some())
    };
    while harness.queues.left().await? > 1 && !is_done(harness) {
        harness.pause(5, 5).await;
    }
    let fast = begun.elapsed();
    if is_done(harness) {
        return Err("fast messages were acknowledged only after the slow one".into());
    }
    harness.settle().await?;
    if harness.queues.redelivered(std::iter::once(&slow)) > 0 {
        return Err("the slow message was received again: it did not stay hidden".into());
    }
    Ok(format!(
        "nine fast ones acknowledged after {fast:.1?}, the slow one after {:.0?}",
        begun.elapsed()
    ))
}
