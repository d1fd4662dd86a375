//! What makes two messages the same work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use consumer::dead_letter::IDEMPOTENCY_KEY;
use consumer::{Delivery, Failure, Handler, IdempotencyKey, Mode, Received, Services};
use idempotency::{Attempt, Claim, Completion, Key, Status, fingerprint};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::{
    Action, Batch, DLQ, Effect, FIFO, InMemory, Memory, Message, NOW, STANDARD, Script, batch_of, failed, later,
    rejection, with_dead_letter_queue,
};

/// States its kind of key, and its action.
#[derive(Deserialize)]
pub(crate) struct Order {
    by: By,
    #[serde(default)]
    id: String,
    #[serde(default)]
    amount: u64,
    action: Action,
}

#[derive(Deserialize)]
enum By {
    Message,
    DeduplicationId,
    DeduplicationIdOfQueue,
    Id,
    /// Only the amount distinguishes payloads of one ID.
    IdAndAmount,
    /// The part that distinguishes payloads can't be serialized as JSON.
    IdAndUnserializable,
    Panic,
}

#[derive(Default)]
pub(crate) struct Keyed<const ONE_STEP: bool> {
    effects: InMemory,
}

impl<const ONE_STEP: bool> Handler for Keyed<ONE_STEP> {
    type Message = Order;
    type Write = Effect;
    const NAMESPACE: &'static str = "keyed";
    const MODE: Mode = match ONE_STEP {
        true => Mode::OneStep,
        false => Mode::ClaimThenComplete,
    };

    fn key(&self, order: &Order, _: &Received) -> IdempotencyKey {
        match order.by {
            By::Message => IdempotencyKey::of_message(),
            By::DeduplicationId => IdempotencyKey::deduplication_id(),
            By::DeduplicationIdOfQueue => IdempotencyKey::deduplication_id_of_queue(),
            By::Id => IdempotencyKey::business(&order.id),
            By::IdAndAmount => IdempotencyKey::business_counting(&order.id, &order.amount),
            By::IdAndUnserializable => IdempotencyKey::business_counting(&order.id, &BTreeMap::from([(b"bytes", 1)])),
            By::Panic => panic!("while deciding the key"),
        }
    }

    async fn handle(&self, order: Order, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        scripted::run(&Script::new([order.action]), &self.effects, delivery).await
    }
}

impl<const ONE_STEP: bool> Keyed<ONE_STEP> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn handled(&self) -> Vec<String> {
        self.effects.handled()
    }
}

type Claiming = Keyed<false>;

fn order(by: &str) -> Value {
    json!({"by": by, "id": "o-1", "amount": 7, "action": "write"})
}

fn one(id: &str, order: &Value) -> Batch {
    batch_of(STANDARD, [Message::new(id, order.to_string())])
}

pub(crate) fn status(services: &Memory, key: &str) -> Option<Status> {
    let record = services.store().record(&Key::new("keyed", key).unwrap());
    record.map(|record| record.status)
}

fn reason(services: &Memory, key: &str) -> String {
    let record = services.store().record(&Key::new("keyed", key).unwrap());
    record.unwrap().reason.unwrap()
}

/// The reasons of the dead letters.
pub(crate) fn reasons(services: &Memory) -> Vec<String> {
    let dead_letters = services.queues().sent(DLQ).into_iter();
    dead_letters.map(|dead_letter| rejection(&dead_letter).reason).collect()
}

#[tokio::test(start_paused = true)]
async fn the_key_attribute_has_priority_over_the_message_id() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let keyed = |id| Message::new(id, order("Message").to_string()).attribute(IDEMPOTENCY_KEY, "k-1");
    for id in ["m-1", "m-2"] {
        assert!(
            failed(&handler, &services, batch_of(STANDARD, [keyed(id)]))
                .await
                .is_empty()
        );
    }
    assert_eq!(handler.handled(), ["m-1"]);
    assert_eq!(status(&services, "k-1"), Some(Status::Completed));
    assert_eq!(status(&services, "m-1"), None);
}

#[tokio::test(start_paused = true)]
async fn a_message_sent_again_under_its_old_id_is_a_duplicate() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let body = order("Message").to_string();
    let again = Message::new("m-9", body.clone()).attribute(IDEMPOTENCY_KEY, "m-1");
    for message in [Message::new("m-1", body), again] {
        assert!(
            failed(&handler, &services, batch_of(STANDARD, [message]))
                .await
                .is_empty()
        );
    }
    assert_eq!(handler.handled(), ["m-1"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_attribute_is_no_key() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let messages =
        ["m-1", "m-2"].map(|id| Message::new(id, order("Message").to_string()).attribute(IDEMPOTENCY_KEY, ""));
    assert!(
        failed(&handler, &services, batch_of(STANDARD, messages))
            .await
            .is_empty()
    );
    assert_eq!(handler.handled(), ["m-1", "m-2"]);
    assert_eq!(status(&services, "m-1"), Some(Status::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_key_attribute_with_another_payload_is_rejected() {
    for other in [
        json!({"by": "Message", "action": "done"}).to_string(),
        "{".to_owned(),
        "{}".to_owned(),
    ] {
        let (handler, services) = (Claiming::new(), with_dead_letter_queue());
        let keyed = |id, body: &str| {
            let message = Message::new(id, body).attribute(IDEMPOTENCY_KEY, "k-1");
            batch_of(STANDARD, [message])
        };
        let first = keyed("m-1", &order("Message").to_string());
        assert!(failed(&handler, &services, first).await.is_empty());
        assert!(failed(&handler, &services, keyed("m-2", &other)).await.is_empty());
        assert_eq!(handler.handled(), ["m-1"]);
        let dead_letters = services.queues().sent(DLQ);
        assert_eq!(dead_letters.len(), 1, "{other} is lost");
        assert_eq!(dead_letters[0].body, other);
        assert_eq!(status(&services, "k-1"), Some(Status::Completed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deduplication_id_can_be_the_key() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    for id in ["m-1", "m-2"] {
        let message = Message::new(id, order("DeduplicationId").to_string())
            .group("g")
            .deduplication_id("d-1");
        assert!(failed(&handler, &services, batch_of(FIFO, [message])).await.is_empty());
    }
    assert_eq!(handler.handled(), ["m-1"]);
    assert_eq!(status(&services, "g d-1"), Some(Status::Completed));
}

/// Two orders with one deduplication ID in two groups.
fn in_two_groups(by: &str) -> [Batch; 2] {
    [("m-1", "a"), ("m-2", "b")].map(|(id, group)| {
        let message = Message::new(id, order(by).to_string()).group(group);
        batch_of(FIFO, [message.deduplication_id("1")])
    })
}

#[tokio::test(start_paused = true)]
async fn one_deduplication_id_in_two_groups_is_two_messages() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    for batch in in_two_groups("DeduplicationId") {
        assert!(failed(&handler, &services, batch).await.is_empty());
    }
    assert_eq!(handler.handled(), ["m-1", "m-2"]);
    for key in ["a 1", "b 1"] {
        assert_eq!(status(&services, key), Some(Status::Completed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deduplication_id_of_the_queue_ignores_the_group() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    for batch in in_two_groups("DeduplicationIdOfQueue") {
        assert!(failed(&handler, &services, batch).await.is_empty());
    }
    assert_eq!(handler.handled(), ["m-1"]);
    // As the key of every deduplication ID was before.
    assert_eq!(status(&services, "1"), Some(Status::Completed));
}

#[tokio::test(start_paused = true)]
async fn group_and_deduplication_id_are_distinguished() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let messages = [
        ("m-1", "a", "b-c"),
        ("m-2", "a-b", "c"),
        ("m-3", "ab", "c"),
        ("m-4", "a", "bc"),
    ];
    for (id, group, deduplication_id) in messages {
        let message = Message::new(id, order("DeduplicationId").to_string()).group(group);
        let batch = batch_of(FIFO, [message.deduplication_id(deduplication_id)]);
        assert!(failed(&handler, &services, batch).await.is_empty());
    }
    assert_eq!(handler.handled().len(), messages.len());
}

#[tokio::test(start_paused = true)]
async fn a_message_without_the_stated_key_is_rejected_under_its_own() {
    for (body, why) in [
        (
            order("DeduplicationId"),
            "the message has no deduplication ID; is its queue FIFO?",
        ),
        (json!({"by": "Id", "action": "done"}), "the idempotency key is empty"),
        (
            json!({"by": "IdAndAmount", "id": "", "action": "done"}),
            "the idempotency key is empty",
        ),
    ] {
        let (handler, services) = (Claiming::new(), Services::in_memory());
        assert_eq!(failed(&handler, &services, one("m-1", &body)).await, ["m-1"]);
        assert!(handler.handled().is_empty());
        assert_eq!(reason(&services, "m-1"), why);
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_without_a_fingerprint_is_rejected() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    assert!(failed(&handler, &services, one("m-1", &order("Id"))).await.is_empty());
    assert!(
        failed(&handler, &services, one("m-2", &order("IdAndUnserializable")))
            .await
            .is_empty()
    );
    assert_eq!(services.queues().sent(DLQ).len(), 1);
    assert!(reason(&services, "m-2").starts_with("the fingerprint of the payload can't be computed: "));
}

#[tokio::test(start_paused = true)]
async fn two_messages_of_one_business_key_are_the_same_work() {
    async fn runs<const ONE_STEP: bool>() -> Vec<String> {
        let (handler, services) = (Keyed::<ONE_STEP>::new(), Services::in_memory());
        let same_in_another_order = r#" {"action": "write", "amount": 7, "id": "o-1", "by": "Id"}"#;
        for body in [order("Id").to_string(), same_in_another_order.to_owned()] {
            let id = format!("m-{}", body.len());
            assert!(
                failed(&handler, &services, batch_of(STANDARD, [Message::new(&id, body)]))
                    .await
                    .is_empty()
            );
        }
        assert_eq!(services.store().committed().len(), 1);
        assert_eq!(status(&services, "o-1"), Some(Status::Completed));
        handler.handled()
    }
    assert_eq!(runs::<false>().await.len(), 1);
    assert_eq!(
        runs::<true>().await.len(),
        2,
        "one-step mode commits once and runs at every delivery"
    );
}

#[tokio::test(start_paused = true)]
async fn a_business_key_with_another_payload_is_rejected() {
    async fn is_rejected<const ONE_STEP: bool>(key: &str) {
        let (handler, services) = (Keyed::<ONE_STEP>::new(), with_dead_letter_queue());
        let [first, second] = [7, 8].map(|amount| json!({"by": "Id", "id": key, "amount": amount, "action": "write"}));
        assert!(failed(&handler, &services, one("m-1", &first)).await.is_empty());
        assert!(failed(&handler, &services, one("m-2", &second)).await.is_empty());
        assert_eq!(services.store().committed().len(), 1);
        assert_eq!(status(&services, key), Some(Status::Completed));
        let [why] = reasons(&services).try_into().unwrap();
        for payload in [first, second] {
            let fingerprint = fingerprint(&payload).unwrap();
            assert!(why.contains(&fingerprint), "{why}");
        }
    }
    for key in ["o-1", &"o".repeat(2000)] {
        is_rejected::<false>(key).await;
        is_rejected::<true>(key).await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_payload_is_rejected_while_one_is_in_progress() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    let key = Key::new("keyed", "o-1").unwrap();
    let other = Attempt::new(key, NOW, NOW.plus(std::time::Duration::from_secs(60))).with_fingerprint("another");
    let claim = services.ledger().claim(&other, later()).await.unwrap();
    assert!(matches!(claim, Claim::Granted(_)));
    assert!(failed(&handler, &services, one("m-1", &order("Id"))).await.is_empty());
    assert!(reasons(&services)[0].contains("another"));
    assert!(handler.handled().is_empty());
    assert_eq!(status(&services, "o-1"), Some(Status::InProgress));
}

#[tokio::test(start_paused = true)]
async fn only_the_stated_part_distinguishes_payloads() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    let noted =
        |amount, note| json!({"by": "IdAndAmount", "id": "o-1", "amount": amount, "note": note, "action": "done"});
    for (id, body) in [
        ("m-1", noted(7, "soon")),
        ("m-2", noted(7, "please")),
        ("m-3", noted(8, "soon")),
    ] {
        assert!(failed(&handler, &services, one(id, &body)).await.is_empty());
    }
    assert_eq!(handler.handled(), ["m-1"]);
    let dead_letters = services.queues().sent(DLQ);
    assert_eq!(dead_letters.len(), 1);
    assert_eq!(dead_letters[0].body, noted(8, "soon").to_string());
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_deciding_a_key_fails_its_own_message() {
    async fn fails_one<const ONE_STEP: bool>() {
        let (handler, services) = (Keyed::<ONE_STEP>::new(), with_dead_letter_queue());
        let bodies = ["Message", "Panic", "Message"].map(|by| order(by).to_string());
        let messages = ["m-1", "m-2", "m-3"]
            .into_iter()
            .zip(bodies)
            .map(|(id, body)| Message::new(id, body));
        assert_eq!(failed(&handler, &services, batch_of(STANDARD, messages)).await, ["m-2"]);
        assert_eq!(handler.handled(), ["m-1", "m-3"]);
        assert_eq!(status(&services, "m-2"), None);
        assert!(services.queues().sent(DLQ).is_empty());
    }
    fails_one::<false>().await;
    fails_one::<true>().await;
}

#[tokio::test(start_paused = true)]
async fn the_idempotency_token_depends_on_the_key_only() {
    #[derive(Default)]
    struct Tokens(Mutex<Vec<String>>);
    impl Handler for Tokens {
        type Message = String;
        type Write = Effect;
        const NAMESPACE: &'static str = "tokens";
        fn key(&self, order: &String, _: &Received) -> IdempotencyKey {
            IdempotencyKey::business(order)
        }
        async fn handle(&self, _: String, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
            self.0.lock().unwrap().push(delivery.idempotency_token());
            Err(Failure::retry("again"))
        }
    }
    let handler = Arc::<Tokens>::default();
    for id in ["m-1", "m-2"] {
        let message = Message::new(id, "\"o-1\"");
        assert_eq!(
            failed(&handler, &Services::in_memory(), batch_of(STANDARD, [message])).await,
            [id]
        );
    }
    let token = Key::new("tokens", "o-1").unwrap().token();
    assert_eq!(*handler.0.lock().unwrap(), [token.clone(), token]);
}
