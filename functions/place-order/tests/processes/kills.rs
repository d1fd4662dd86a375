//! `kill -9`, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use emulator::lambda::{Event, Lambda};
use serde_json::Value;
use testing::TestStack;

use crate::stage::{self, confirmations, order, sums, totals};

/// A small generator: what is killed when has to vary, not to be unpredictable.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX; its high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Under which tokens each record was committed. A request whose answer came too late is sent again under its token, and
/// answered again, but commits nothing.
type Commits = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

/// Counts commits, and lets one in `rarity` be followed by a kill before its reply, `kills` times.
fn watch(stage: &TestStack, mut dice: Dice, rarity: u64, mut kills: u32) -> Commits {
    let commits = Commits::default();
    let (counted, lambda) = (Arc::clone(&commits), Arc::clone(stage.stack.lambda()));
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
    stage.inject("TransactWriteItems", None, u32::MAX, kind);
    commits
}

/// Kills whatever works at the time, at moments of chance, until that has met `kills` processes.
async fn kill_at_random(lambda: Arc<Lambda>, mut dice: Dice, kills: usize) {
    let mut met = 0;
    while met < kills {
        tokio::time::sleep(Duration::from_millis(dice.roll(25))).await;
        met += lambda.kill("place-order");
    }
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_nothing_repeats_no_committed_order_and_confirms_every_one() {
    for seed in [1, 2] {
        let stage = stage::set(&[("BatchSize", "3"), ("MaximumConcurrency", "4")]).await;
        let commits = watch(&stage, Dice(seed), 4, 8);
        let mut dice = Dice(seed + 1000);
        let (mut messages, mut owed) = (Vec::new(), BTreeMap::<_, i64>::new());
        stage.stack.sqs().deliver_twice("orders", 8);
        for number in 0..40 {
            let (customer, amount) = (format!("customer-{}", dice.roll(4)), 1 + dice.roll(1000).cast_signed());
            *owed.entry(customer.clone()).or_default() += amount;
            messages.push(
                stage
                    .send("orders", &order(&format!("o-{number:02}"), &customer, amount))
                    .await,
            );
        }
        let killer = tokio::spawn(kill_at_random(Arc::clone(stage.stack.lambda()), dice, 8));
        stage.until_settled(&["orders"]).await;
        killer.abort();

        let killed = |event: &Event| matches!(event, Event::InvocationKilled { .. });
        let kills = stage.events().into_iter().filter(killed).count();
        assert!(kills >= 8, "seed {seed}: only {kills} kills met a batch");
        assert_eq!(stage.dead_letters("orders"), [""; 0]);
        assert!(
            messages
                .iter()
                .all(|message| stage.is_completed("place-order", message)),
            "seed {seed}"
        );
        assert_eq!((totals(&stage), sums(&stage)), (owed.clone(), owed), "seed {seed}");
        let counts: Vec<_> = commits.lock().unwrap().values().map(BTreeSet::len).collect();
        assert_eq!(counts, [1; 40], "seed {seed}: every message committed once");
        let confirmed: BTreeSet<_> = confirmations(&stage).into_iter().collect();
        let orders = (0..40).map(|number| format!("confirmation of order o-{number:02}"));
        assert_eq!(confirmed, orders.collect(), "seed {seed}");
    }
}

#[tokio::test]
async fn killed_between_commit_and_reply_it_finds_its_order_counted_at_the_next_delivery_and_confirms_it() {
    let stage = stage::set(&[]).await;
    let commits = watch(&stage, Dice(0), 1, 1);
    let message = stage.send("orders", &order("o-1", "ada", 700)).await;
    stage.until_settled(&["orders"]).await;
    assert_eq!(stage.stack.sqs().deliveries(&message), 2);
    assert_eq!(commits.lock().unwrap().values().map(BTreeSet::len).sum::<usize>(), 1);
    assert_eq!(totals(&stage), [("ada".to_owned(), 700)].into());
    assert_eq!(confirmations(&stage), ["confirmation of order o-1"]);
}
