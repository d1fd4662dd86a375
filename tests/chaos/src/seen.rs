//! What the stack reports, and what happened so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use emulator::lambda::Event;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::causes::Causes;
use crate::faults::{FAILED_IN_OUTAGE, Faults, REDELIVERED, TWO_CONTENTS_AT_ONCE};
use crate::ledger::Deliveries;

/// What the stack reports.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) causes: Causes,
    pub(crate) deliveries: Deliveries,
}

/// What happened so far, and how often.
pub(crate) fn happened(faults: &Faults, seen: &Mutex<Seen>, two_contents: &[[String; 2]]) -> BTreeMap<String, u64> {
    let mut happened = faults.happened();
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    happened.insert(REDELIVERED.to_owned(), seen.causes.redelivered);
    let at_once = seen.deliveries.at_once(two_contents);
    happened.insert(TWO_CONTENTS_AT_ONCE.to_owned(), at_once.try_into().unwrap_or(u64::MAX));
    happened
}

/// Notes all that the stack reports.
pub(crate) async fn collect(mut events: UnboundedReceiver<Event>, seen: Arc<Mutex<Seen>>, faults: Arc<Faults>) {
    while let Some(event) = events.recv().await {
        let out = faults.is_out();
        if let Event::BatchFinished { failed, .. } = &event
            && out
            && !failed.is_empty()
        {
            faults.count(FAILED_IN_OUTAGE);
        }
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.deliveries.note(&event, out);
        seen.causes.note(event);
    }
}
