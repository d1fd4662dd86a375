//! `kill -9` at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use emulator::lambda::{Event, Lambda};
use serde_json::Value;
use testing::TestStack;

use crate::stack::{self, confirmations, order, sums, totals};

/// A small generator of pseudo-random numbers: the time of the kills must vary, but repeatably.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX. Its high bits are the more random ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The request tokens that committed each record. A request whose reply was late is sent again with its token. It succeeds
/// again, but commits nothing.
type Commits = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

/// Records commits. After one in `rarity`, kills the process before the reply, `kills` times in all.
fn watch(stack: &TestStack, mut dice: Dice, rarity: u64, mut kills: u32) -> Commits {
    let commits = Commits::default();
    let (counted, lambda) = (Arc::clone(&commits), Arc::clone(stack.stack.lambda()));
    let hook = move |request: &Value, answer: &Result<Value, ApiError>| {
        if answer.is_ok() {
            let record = request["TransactItems"][0]["Put"]["Item"]["id"]["S"].as_str().unwrap();
            let token = request["ClientRequestToken"].as_str().unwrap();
            let mut counted = counted.lock().unwrap();
            counted.entry(record.to_owned()).or_default().insert(token.to_owned());
            if kills > 0 && dice.roll(rarity) == 0 {
                kills -= 1;
                lambda.kill("place-order");
            }
        }
    };
    let kind = FaultKind::AfterApply(Box::new(hook));
    stack.inject("TransactWriteItems", None, u32::MAX, kind);
    commits
}

/// Kills the running processes at random times, until `kills` processes are killed.
async fn kill_at_random(lambda: Arc<Lambda>, mut dice: Dice, kills: usize) {
    let mut killed = 0;
    while killed < kills {
        tokio::time::sleep(Duration::from_millis(dice.roll(25))).await;
        killed += lambda.kill("place-order");
    }
}

/// Promises 5 and 6.
#[tokio::test]
#[ignore = "hundreds of kills: .ci/chaos runs it"]
async fn killed_at_any_time_it_commits_and_confirms_each_order_once() {
    for seed in [1, 2] {
        let stack = stack::start(&[("BatchSize", "3"), ("MaximumConcurrency", "4")]).await;
        let commits = watch(&stack, Dice(seed), 4, 8);
        let mut dice = Dice(seed + 1000);
        let (mut messages, mut expected) = (Vec::new(), BTreeMap::<_, i64>::new());
        stack.stack.sqs().deliver_twice("orders", 8);
        for number in 0..40 {
            let (customer, amount) = (format!("customer-{}", dice.roll(4)), 1 + dice.roll(1000).cast_signed());
            *expected.entry(customer.clone()).or_default() += amount;
            messages.push(
                stack
                    .send("orders", &order(&format!("o-{number:02}"), &customer, amount))
                    .await,
            );
        }
        let killer = tokio::spawn(kill_at_random(Arc::clone(stack.stack.lambda()), dice, 8));
        stack.until_settled(&["orders"]).await;
        killer.abort();

        let killed = |event: &Event| matches!(event, Event::InvocationKilled { .. });
        let kills = stack.events().into_iter().filter(killed).count();
        assert!(kills >= 8, "seed {seed}: only {kills} invocations were killed");
        assert_eq!(stack.dead_letters("orders"), [""; 0]);
        assert!(
            messages
                .iter()
                .all(|message| stack.is_completed("place-order", message)),
            "seed {seed}"
        );
        assert_eq!(
            (totals(&stack), sums(&stack)),
            (expected.clone(), expected),
            "seed {seed}"
        );
        let counts: Vec<_> = commits.lock().unwrap().values().map(BTreeSet::len).collect();
        assert_eq!(counts, [1; 40], "seed {seed}: every message committed once");
        let confirmed: BTreeSet<_> = confirmations(&stack).into_iter().collect();
        let orders = (0..40).map(|number| format!("confirmation of order o-{number:02}"));
        assert_eq!(confirmed, orders.collect(), "seed {seed}");
    }
}

/// Promises 5 and 6.
#[tokio::test]
async fn killed_between_commit_and_reply_it_confirms_at_redelivery() {
    let stack = stack::start(&[]).await;
    let commits = watch(&stack, Dice(0), 1, 1);
    let message = stack.send("orders", &order("o-1", "ada", 700)).await;
    stack.until_settled(&["orders"]).await;
    assert_eq!(stack.stack.sqs().deliveries(&message), 2);
    assert_eq!(commits.lock().unwrap().values().map(BTreeSet::len).sum::<usize>(), 1);
    assert_eq!(totals(&stack), [("ada".to_owned(), 700)].into());
    assert_eq!(confirmations(&stack), ["confirmation of order o-1"]);
}
