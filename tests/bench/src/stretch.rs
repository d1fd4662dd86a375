//! A stretch of batches through a running function, and what each message of it cost.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::Failed;
use crate::orders::Order;
use crate::stack::Stack;

/// What a stretch cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cost {
    pub(crate) batches: usize,
    pub(crate) messages: usize,
    /// Of the function's process, in microseconds for each message.
    pub(crate) cpu_us: f64,
    /// From the request to the response, in milliseconds for each batch.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// To the ledger, for each batch, by operation.
    pub(crate) requests: BTreeMap<String, f64>,
}

impl Cost {
    /// Of these batches, one after the other.
    pub(crate) async fn of(stack: &mut Stack, batches: impl IntoIterator<Item = Vec<Order>>) -> Result<Self, Failed> {
        let (requests, cpu) = (stack.requests(), stack.cpu()?);
        let (mut latencies, mut messages) = (Vec::new(), 0);
        for batch in batches {
            latencies.push(stack.invoke(&batch).await?);
            messages += batch.len();
            stack.look()?;
        }
        let cpu = stack.cpu()?.saturating_sub(cpu);
        Ok(Self::new(
            &latencies,
            messages,
            cpu,
            since(&requests, &stack.requests()),
        ))
    }

    pub(crate) fn new(latencies: &[Duration], messages: usize, cpu: Duration, requests: BTreeMap<String, u64>) -> Self {
        let batches = latencies.len();
        let milliseconds: Vec<_> = latencies.iter().map(|latency| latency.as_secs_f64() * 1e3).collect();
        let for_each = |(name, count): (String, u64)| (name, count as f64 / batches.max(1) as f64);
        Self {
            batches,
            messages,
            cpu_us: cpu.as_secs_f64() * 1e6 / messages.max(1) as f64,
            p50_ms: quantile(&milliseconds, 0.5),
            p99_ms: quantile(&milliseconds, 0.99),
            requests: requests.into_iter().map(for_each).collect(),
        }
    }

    /// The median of each figure over rounds; requests are the same in each.
    pub(crate) fn median(rounds: &[Self]) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| quantile(&rounds.iter().map(figure).collect::<Vec<_>>(), 0.5);
        Some(Self {
            cpu_us: of(|cost| cost.cpu_us),
            p50_ms: of(|cost| cost.p50_ms),
            p99_ms: of(|cost| cost.p99_ms),
            ..rounds.last()?.clone()
        })
    }

    /// All operations' requests for each batch.
    pub(crate) fn all_requests(&self) -> f64 {
        self.requests.values().sum()
    }
}

/// How many requests came since `before`, by operation.
pub(crate) fn since(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let new = |(name, count): (&String, &u64)| (name.clone(), count - before.get(name).copied().unwrap_or_default());
    after.iter().map(new).filter(|(_, count)| *count > 0).collect()
}

/// The smallest value that is not less than this share of the values; zero if there is none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert_eq!(quantile(&values, 0.99), 5.0);
        assert_eq!(quantile(&values[..4], 0.5), 2.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn cost_is_for_each_message_and_requests_for_each_batch() {
        let latencies = [1, 2, 9].map(Duration::from_millis);
        let requests = BTreeMap::from([("PutItem".to_owned(), 6), ("GetItem".to_owned(), 3)]);
        let cost = Cost::new(&latencies, 30, Duration::from_millis(3), requests);
        assert_eq!((cost.cpu_us, cost.p50_ms, cost.p99_ms), (100.0, 2.0, 9.0));
        assert_eq!((cost.requests["PutItem"], cost.all_requests()), (2.0, 3.0));
    }

    #[test]
    fn one_slow_round_does_not_move_a_median() {
        let round = |milliseconds| {
            let cpu = Duration::from_millis(milliseconds);
            Cost::new(&[cpu], 1, cpu, BTreeMap::new())
        };
        let median = Cost::median(&[round(2), round(90), round(3)]).unwrap();
        assert_eq!((median.cpu_us, median.p50_ms), (3000.0, 3.0));
        assert!(Cost::median(&[]).is_none());
    }

    #[test]
    fn only_requests_of_the_stretch_count() {
        let counts = |put, get| BTreeMap::from([("PutItem".to_owned(), put), ("GetItem".to_owned(), get)]);
        assert_eq!(
            since(&counts(3, 1), &counts(5, 1)),
            BTreeMap::from([("PutItem".to_owned(), 2)])
        );
    }
}
