//! What is processed concurrently, and what in order. Time is paused.

use consumer::{CONCURRENCY, Services};
use tokio::time::Instant;

use crate::common::{Action, Claiming, FIFO, STANDARD, actions, batch, body, failed, failed_within, key, ten_seconds};

#[tokio::test(start_paused = true)]
async fn a_standard_queue_is_processed_up_to_ten_at_a_time() {
    let handler = Claiming::new();
    let ids: Vec<_> = (0..3 * CONCURRENCY).map(|n| n.to_string()).collect();
    let batch = actions(ids.iter().map(|id| (&**id, Action::Take(1000))));
    assert!(failed(&handler, &Services::in_memory(), batch).await.is_empty());
    assert_eq!(handler.effects.most_running(), CONCURRENCY);
}

#[tokio::test(start_paused = true)]
async fn groups_of_a_standard_queue_are_not_ordered() {
    let handler = Claiming::new();
    let messages = ["1", "2", "3"].map(|id| (id, "same group", body(Action::Take(1000))));
    assert!(
        failed(&handler, &Services::in_memory(), batch(STANDARD, messages))
            .await
            .is_empty()
    );
    assert_eq!(handler.effects.most_running(), 3);
}

#[tokio::test(start_paused = true)]
async fn fifo_groups_are_concurrent_and_their_messages_in_order() {
    let (handler, started) = (Claiming::new(), Instant::now());
    let messages = [("a-1", "a"), ("b-1", "b"), ("a-2", "a"), ("b-2", "b")];
    let batch = batch(FIFO, messages.map(|(id, group)| (id, group, body(Action::Take(1000)))));
    assert!(
        failed_within(&ten_seconds(), &handler, &Services::in_memory(), batch)
            .await
            .is_empty()
    );
    assert_eq!(handler.effects.handled(), ["a-1", "b-1", "a-2", "b-2"]);
    assert_eq!(handler.effects.most_running(), 2);
    assert_eq!(started.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_only_the_rest_of_its_group_is_not_started() {
    for action in [Action::Retry, Action::Panic, Action::Permanent] {
        let (handler, services) = (Claiming::new(), Services::in_memory());
        let messages = [
            ("a-1", "a", body(Action::Done)),
            ("a-2", "a", body(action)),
            ("b-1", "b", body(Action::Done)),
            ("a-3", "a", body(Action::Done)),
            ("b-2", "b", body(Action::Done)),
        ];
        assert_eq!(failed(&handler, &services, batch(FIFO, messages)).await, ["a-2", "a-3"]);
        assert!(
            services.store().record(&key("a-3")).is_none() && !handler.effects.handled().contains(&"a-3".to_owned())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_does_not_hold_its_group() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let one = |id| (id, "a", body(Action::Done));
    assert!(failed(&handler, &services, batch(FIFO, [one("a-1")])).await.is_empty());
    assert!(
        failed(&handler, &services, batch(FIFO, [one("a-1"), one("a-2")]))
            .await
            .is_empty()
    );
    assert_eq!(handler.effects.handled(), ["a-1", "a-2"]);
}
