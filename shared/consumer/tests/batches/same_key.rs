//! Two messages of one key in one batch.

use serde_json::json;

use crate::common::{FIFO, Memory, Message, Queue, STANDARD, batch_of, failed, with_dead_letter_queue};
use crate::identity::{Keyed, reasons, status};

/// Two messages of one key in one batch: those that stay, those that were handled, and the services.
async fn twice<const ONE_STEP: bool>(
    queue: Queue,
    actions: [&str; 2],
    amounts: [u64; 2],
) -> (Vec<String>, Vec<String>, Memory) {
    let (handler, services) = (Keyed::<ONE_STEP>::new(), with_dead_letter_queue());
    let message = |(id, (action, amount))| {
        let body = json!({"by": "IdAndAmount", "id": "o-1", "amount": amount, "action": action});
        Message::new(id, body.to_string()).group("g")
    };
    let messages = ["m-1", "m-2"]
        .into_iter()
        .zip(actions.into_iter().zip(amounts))
        .map(message);
    let reported = failed(&handler, &services, batch_of(queue, messages)).await;
    (reported, handler.handled(), services)
}

#[tokio::test(start_paused = true)]
async fn in_one_batch_the_second_message_of_a_key_is_a_duplicate() {
    for queue in [STANDARD, FIFO] {
        let (reported, handled, services) = twice::<false>(queue, ["write", "write"], [7, 7]).await;
        assert_eq!((reported, handled), (vec![], vec!["m-1".to_owned()]));
        assert_eq!(services.store().committed().len(), 1);

        let (reported, _, services) = twice::<true>(queue, ["write", "write"], [7, 7]).await;
        assert!(reported.is_empty());
        assert_eq!(services.store().committed().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn in_one_batch_each_message_of_a_key_has_a_dead_letter() {
    for queue in [STANDARD, FIFO] {
        let (reported, handled, services) = twice::<false>(queue, ["permanent", "done"], [7, 7]).await;
        assert_eq!((reported, handled), (vec![], vec!["m-1".to_owned()]));
        assert_eq!(
            reasons(&services),
            ["not ever", "its key was rejected before: not ever"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn in_one_batch_a_second_payload_of_a_key_is_rejected() {
    for queue in [STANDARD, FIFO] {
        let (reported, handled, services) = twice::<false>(queue, ["write", "write"], [7, 8]).await;
        assert_eq!((reported, handled), (vec![], vec!["m-1".to_owned()]));
        assert_eq!(reasons(&services).len(), 1);

        let (reported, _, services) = twice::<true>(queue, ["write", "write"], [7, 8]).await;
        assert!(reported.is_empty());
        assert_eq!((services.store().committed().len(), reasons(&services).len()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn in_one_batch_the_second_message_waits_for_a_retry() {
    for queue in [STANDARD, FIFO] {
        let (reported, handled, services) = twice::<false>(queue, ["retry", "done"], [7, 7]).await;
        assert_eq!(
            (reported, handled),
            (vec!["m-1".to_owned(), "m-2".to_owned()], vec!["m-1".to_owned()])
        );
        assert_eq!(status(&services, "o-1"), None);
    }
}
