//! `kill -9` in the middle of a batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use emulator::lambda::Event;

use crate::stage::{self, key, reserve, stock, watch};

#[tokio::test]
async fn killed_in_mid_batch_it_loses_nothing_and_takes_nothing_twice_or_out_of_order() {
    const SKUS: [&str; 4] = ["can", "cup", "pot", "tea"];
    let stage = stage::set(&SKUS.map(|sku| (sku, 100)), &[]).await;
    let lambda = Arc::clone(stage.stack.lambda());
    // After a commit, before its reply: of such a batch, some messages are done, and nobody was told.
    let commits = watch(&stage, move |commits| {
        if commits % 5 == 2 {
            lambda.kill("reserve-stock");
        }
    });
    let mut sent = SKUS.map(|sku| (sku, Vec::new()));
    let mut left = BTreeMap::from(SKUS.map(|sku| (sku.to_owned(), 100)));
    for number in 0..6 {
        for (sku, keys) in &mut sent {
            let order = format!("o-{number}");
            reserve(&stage, sku, 1 + number, &order).await;
            keys.push(key(sku, &order));
            *left.get_mut(*sku).unwrap() -= 1 + number;
        }
    }
    stage.until_settled(&["reservations.fifo"]).await;

    let killed = |event: &Event| matches!(event, Event::InvocationKilled { .. });
    let kills = stage.events().into_iter().filter(killed).count();
    assert!(kills >= 4, "only {kills} kills met a batch");
    assert_eq!(stage.dead_letters("reservations.fifo"), [""; 0]);
    let commits = commits.lock().unwrap();
    for (sku, keys) in &sent {
        let is_completed = |key: &String| stage.is_completed("reserve-stock", key);
        assert!(keys.iter().all(is_completed), "{sku}");
        let made: Vec<_> = commits.iter().filter(|key| keys.contains(key)).collect();
        assert_eq!(made, keys.iter().collect::<Vec<_>>(), "{sku}");
    }
    assert_eq!(stock(&stage), left);
}
