//! Outages of the tables.

use crate::faults::{Faults, OUTAGE};

/// How long the tables can be reached between two outages, in milliseconds.
const BETWEEN_OUTAGES: (u64, u64) = (200, 800);

/// How long an outage lasts, in milliseconds: longer than an invocation, so that some messages are delivered and returned in it,
/// and short enough for one to end in the least time that a scenario with outages has.
const OUTAGE_MILLIS: (u64, u64) = (2200, 3000);

/// Lets no request reach the tables for some seconds, again and again, if the scenario has outages, until it is dropped.
pub(crate) async fn outages(faults: &Faults) {
    if !faults.scenario().outages {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(faults.between(BETWEEN_OUTAGES.0, BETWEEN_OUTAGES.1)).await;
        let outage = faults.outage();
        tokio::time::sleep(faults.between(OUTAGE_MILLIS.0, OUTAGE_MILLIS.1)).await;
        drop(outage);
        faults.count(OUTAGE);
    }
}
