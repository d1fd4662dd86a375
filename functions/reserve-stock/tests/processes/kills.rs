//! `kill -9` in the middle of a batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use emulator::lambda::Event;

use crate::stack::{self, key, reserve, stock, watch};

/// Promises 5 and 6.
#[tokio::test]
async fn killed_in_a_batch_it_reserves_once_and_in_order() {
    const SKUS: [&str; 4] = ["can", "cup", "pot", "tea"];
    let stack = stack::start(&SKUS.map(|sku| (sku, 100)), &[]).await;
    let lambda = Arc::clone(stack.stack.lambda());
    // After a commit and before its reply: some messages of the batch are done, but not reported.
    let commits = watch(&stack, move |commits| {
        if commits % 5 == 2 {
            lambda.kill("reserve-stock");
        }
    });
    let mut sent = SKUS.map(|sku| (sku, Vec::new()));
    let mut left = BTreeMap::from(SKUS.map(|sku| (sku.to_owned(), 100)));
    for number in 0..6 {
        for (sku, keys) in &mut sent {
            let order = format!("o-{number}");
            reserve(&stack, sku, 1 + number, &order).await;
            keys.push(key(sku, &order));
            *left.get_mut(*sku).unwrap() -= 1 + number;
        }
    }
    stack.until_settled(&["reservations.fifo"]).await;

    let killed = |event: &Event| matches!(event, Event::InvocationKilled { .. });
    let kills = stack.events().into_iter().filter(killed).count();
    assert!(kills >= 4, "only {kills} invocations were killed");
    assert_eq!(stack.dead_letters("reservations.fifo"), [""; 0]);
    let commits = commits.lock().unwrap();
    for (sku, keys) in &sent {
        let is_completed = |key: &String| stack.is_completed("reserve-stock", key);
        assert!(keys.iter().all(is_completed), "{sku}");
        let committed: Vec<_> = commits.iter().filter(|key| keys.contains(key)).collect();
        assert_eq!(committed, keys.iter().collect::<Vec<_>>(), "{sku}");
    }
    assert_eq!(stock(&stack), left);
}
