//! Orders and their confirmations, from one function to the next, under fire.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use emulator::ApiError;
use emulator::dynamodb::{self, AfterApply};
use emulator::lambda::{Event, Lambda};
use emulator::sqs;
use fastrand::Rng;
use idempotency::Key;
use serde_json::{Value, json};
use testing::{TestStack, text};

const QUEUES: [&str; 2] = ["orders", "notifications"];
const FUNCTIONS: [&str; 2] = ["place-order", "send-notification"];

/// For tests that count deliveries: each has the time it needs.
const UNHURRIED: [(&str, &str); 1] = [("LongestRetryDelay", "1")];

/// As fast as it can be: whatever is interrupted comes again after a second.
const PARAMETERS: [(&str, &str); 5] = [
    ("FunctionTimeout", "1"),
    ("VisibilityTimeout", "1"),
    ("LongestRetryDelay", "1"),
    ("BatchSize", "2"),
    ("MaximumConcurrency", "6"),
];

fn order(n: usize) -> Value {
    let (quantity, price) = (1 + n % 3, 100 + n);
    json!({
        "id": format!("o-{n}"),
        "customer": format!("customer-{}", n % 5),
        "items": [{ "sku": "tea", "quantity": quantity, "price": price }],
        "amount": quantity * price,
    })
}

fn confirmation(n: usize) -> String {
    format!("confirmation of order o-{n}")
}

fn token(key: &str) -> String {
    Key::new("send-notification", key).unwrap().token()
}

/// Lets something go wrong with requests to the queues.
fn inject(stage: &TestStack, operation: &str, times: u32, kind: sqs::FaultKind) {
    stage.stack.sqs().inject(sqs::Fault {
        operation: operation.to_owned(),
        containing: None,
        times,
        kind,
    });
}

/// Kills what works for a function once its request was done, before it can know.
fn kill_after(lambda: &Arc<Lambda>, function: &'static str) -> AfterApply {
    let lambda = Arc::clone(lambda);
    Box::new(move |_: &Value, answer: &Result<Value, ApiError>| {
        assert!(answer.is_ok() && lambda.kill(function) > 0);
    })
}

/// The key that each message of the notifications queue brought, by the message's ID.
type Sent = Arc<Mutex<BTreeMap<String, String>>>;

/// Notes what is sent, and is told of each request before its reply is given.
fn watch_confirmations(stage: &TestStack, mut told: impl FnMut() + Send + 'static) -> Sent {
    let sent = Sent::default();
    let noted = Arc::clone(&sent);
    let hook = move |request: &Value, answer: &Result<Value, ApiError>| {
        let entries = request["Entries"].as_array().unwrap();
        let answer = answer.as_ref().unwrap();
        let key = |id: &Value| {
            let entry = entries.iter().find(|entry| entry["Id"] == *id).unwrap();
            entry["MessageAttributes"]["IdempotencyKey"]["StringValue"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        for success in answer["Successful"].as_array().unwrap() {
            let message = success["MessageId"].as_str().unwrap().to_owned();
            noted.lock().unwrap().insert(message, key(&success["Id"]));
        }
        told();
    };
    inject(
        stage,
        "SendMessageBatch",
        u32::MAX,
        sqs::FaultKind::AfterApply(Box::new(hook)),
    );
    sent
}

/// Each of these orders is stored and counted once, and confirmed under its key and no other; nothing is given up. Gives back
/// how often the receiver accepted each confirmation.
fn check(stage: &TestStack, orders: usize, context: &str) -> BTreeMap<String, u32> {
    for queue in QUEUES {
        assert_eq!(stage.dead_letters(queue), [""; 0], "{context}: {queue}");
    }
    check_totals(stage, orders, context);
    let keys: BTreeSet<_> = (0..orders).map(confirmation).collect();
    let records = stage.stack.dynamodb().scan("idempotency");
    let of_notifications = records.iter().filter_map(|record| {
        let key = text(record, "id").strip_prefix("send-notification#")?.to_owned();
        Some((key, text(record, "status")))
    });
    let recorded: BTreeMap<_, _> = of_notifications.collect();
    let completed = keys.iter().map(|key| (key.clone(), "COMPLETED".to_owned()));
    assert_eq!(recorded, completed.collect(), "{context}");

    let received = stage.stack.receiver().notifications();
    let tokens: BTreeSet<_> = keys.iter().map(|key| token(key)).collect();
    assert_eq!(received.keys().cloned().collect::<BTreeSet<_>>(), tokens, "{context}");
    let accepted = |key: String| (key.clone(), received[&token(&key)].accepted);
    keys.into_iter().map(accepted).collect()
}

fn check_totals(stage: &TestStack, orders: usize, context: &str) {
    let tables = stage.stack.dynamodb();
    let stored: BTreeSet<_> = tables.scan("orders").iter().map(|item| text(item, "id")).collect();
    assert_eq!(stored, (0..orders).map(|n| format!("o-{n}")).collect(), "{context}");
    let mut owed = BTreeMap::<_, i64>::new();
    for order in (0..orders).map(order) {
        let customer = order["customer"].as_str().unwrap().to_owned();
        *owed.entry(customer).or_default() += order["amount"].as_i64().unwrap();
    }
    let total = |item: &Value| (text(item, "id"), text(item, "total").parse::<i64>().unwrap());
    let totals: BTreeMap<_, _> = tables.scan("customers").iter().map(total).collect();
    assert_eq!(totals, owed, "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_send_it_confirms_the_order_at_the_next_delivery() {
    let stage = TestStack::start_all(&UNHURRIED).await;
    let kill = kill_after(stage.stack.lambda(), "place-order");
    stage.inject("TransactWriteItems", None, 1, dynamodb::FaultKind::AfterApply(kill));
    let sent = watch_confirmations(&stage, || {});
    let message = stage.send("orders", &order(0)).await;
    stage.until_settled(&QUEUES).await;
    assert_eq!(stage.stack.sqs().deliveries(&message), 2);
    assert_eq!(sent.lock().unwrap().len(), 1, "it died before it sent");
    assert_eq!(check(&stage, 1, "").into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_send_and_acknowledgement_it_sends_again_and_the_confirmation_is_posted_once() {
    let stage = TestStack::start_all(&UNHURRIED).await;
    let kill = kill_after(stage.stack.lambda(), "place-order");
    inject(&stage, "SendMessageBatch", 1, sqs::FaultKind::AfterApply(kill));
    let again = watch_confirmations(&stage, || {});
    let message = stage.send("orders", &order(0)).await;
    stage.until_settled(&QUEUES).await;
    assert_eq!(stage.stack.sqs().deliveries(&message), 2);
    assert_eq!(
        again.lock().unwrap().len(),
        1,
        "it had sent before it died, and sends again"
    );
    assert_eq!(check(&stage, 1, "").into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_confirmed_once_although_its_producer_sends_it_twice() {
    let stage = TestStack::start_all(&UNHURRIED).await;
    let sent = watch_confirmations(&stage, || {});
    for _ in 0..2 {
        stage.send("orders", &order(0)).await;
    }
    stage.until_settled(&QUEUES).await;
    assert_eq!(
        sent.lock().unwrap().len(),
        2,
        "each message answers for the confirmation"
    );
    assert_eq!(check(&stage, 1, "").into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_queues_leave_unanswered_every_order_is_confirmed_once() {
    let stage = TestStack::start_all(&PARAMETERS).await;
    for operation in ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        // Three attempts a request: more than a whole round of them.
        inject(&stage, operation, 30, sqs::FaultKind::LoseRequest);
        inject(&stage, operation, 30, sqs::FaultKind::LoseReply);
    }
    let mut messages = Vec::new();
    for n in 0..8 {
        messages.push(stage.send("orders", &order(n)).await);
    }
    stage.until_settled(&QUEUES).await;
    assert!(check(&stage, 8, "").into_values().all(|accepted| accepted == 1));
    // Eight at a time share the lost requests, so their last attempts can't have saved them all.
    let deliveries = messages.iter().map(|message| stage.stack.sqs().deliveries(message));
    assert!(deliveries.max() > Some(1));
}

/// What is killed when differs from seed to seed; the processes' own pace makes the rest of the chance.
const SEEDS: [u64; 4] = [1, 2, 3, 4];
/// Invocations are killed this often for each seed, and then left in peace.
const KILLS: usize = 60;
/// So long a storm has never lasted, however busy the machine.
const LONGEST: Duration = Duration::from_secs(120);

/// What to run after requests, so that one in eight is followed by a kill of its function before the reply.
fn kill_by_chance(
    stage: &TestStack,
    seed: u64,
    calm: &Arc<AtomicBool>,
    function: &'static str,
) -> impl FnMut() + Send + use<> {
    let (lambda, calm) = (Arc::clone(stage.stack.lambda()), Arc::clone(calm));
    let mut dice = Rng::with_seed(seed);
    move || {
        if dice.u8(..8) == 0 && !calm.load(Ordering::Relaxed) {
            lambda.kill(function);
        }
    }
}

/// How many invocations were killed so far.
fn kills(stage: &TestStack) -> usize {
    let request = |event| match event {
        Event::InvocationKilled { request_id, .. } => Some(request_id),
        _ => None,
    };
    stage
        .events()
        .into_iter()
        .filter_map(request)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Sends orders and kills processes until that was often enough; gives back how many orders there are.
async fn rage(stage: &TestStack, seed: u64, calm: &AtomicBool) -> usize {
    let (mut orders, mut dice, begun) = (0, Rng::with_seed(seed), Instant::now());
    while kills(stage) < KILLS {
        assert!(
            begun.elapsed() < LONGEST,
            "only {} invocations were killed",
            kills(stage)
        );
        if stage.stack.sqs().peek("orders").len() < 20 {
            if dice.u8(..4) == 0 {
                stage.stack.sqs().deliver_twice(QUEUES[dice.usize(..2)], 1);
            }
            for _ in 0..1 + dice.usize(..5) / 4 {
                stage.send("orders", &order(orders)).await;
            }
            orders += 1;
        }
        tokio::time::sleep(Duration::from_millis(dice.u64(..20))).await;
        if dice.u8(..8) == 0 {
            stage.stack.lambda().kill(FUNCTIONS[dice.usize(..2)]);
        }
    }
    calm.store(true, Ordering::Relaxed);
    orders
}

/// How often work under each key ended without an answer or without success, by the messages' IDs. Nothing more is to
/// come once the processes have ended.
async fn failures(stage: &TestStack, sent: &Sent) -> BTreeMap<String, u32> {
    stage.stack.lambda().shutdown().await;
    let failed = |event| match event {
        Event::BatchFinished {
            messages,
            whole_batch: Some(_),
            ..
        } => messages,
        Event::Log { line, .. } => {
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            let failed = line["message"]
                .as_str()
                .is_some_and(|said| said.starts_with("failed: "));
            Vec::from_iter(line["messageId"].as_str().filter(|_| failed).map(str::to_owned))
        }
        _ => Vec::new(),
    };
    let sent = sent.lock().unwrap();
    let mut failures = BTreeMap::new();
    for message in stage.events().into_iter().flat_map(failed) {
        if let Some(key) = sent.get(&message) {
            *failures.entry(key.clone()).or_default() += 1;
        }
    }
    failures
}

async fn storm(seed: u64) {
    let stage = TestStack::start_all(&PARAMETERS).await;
    let calm = Arc::new(AtomicBool::new(false));
    let chance = |salt, function| kill_by_chance(&stage, seed + salt, &calm, function);
    let (mut committed, mut claimed) = (chance(100, "place-order"), chance(200, "send-notification"));
    let after_commit = dynamodb::FaultKind::AfterApply(Box::new(move |_, _| committed()));
    stage.inject("TransactWriteItems", None, u32::MAX, after_commit);
    let after_record = dynamodb::FaultKind::AfterApply(Box::new(move |_, _| claimed()));
    stage.inject("PutItem", Some("send-notification#"), u32::MAX, after_record);
    let sent = watch_confirmations(&stage, chance(300, "place-order"));
    inject(&stage, "DeleteMessageBatch", 20, sqs::FaultKind::LoseRequest);

    let orders = rage(&stage, seed, &calm).await;
    stage.until_settled(&QUEUES).await;
    let accepted = check(&stage, orders, &format!("seed {seed}"));
    let failures = failures(&stage, &sent).await;
    for (key, accepted) in accepted {
        let failures = failures.get(&key).copied().unwrap_or_default();
        assert!(
            (1..=1 + failures).contains(&accepted),
            "seed {seed}: {key} was accepted {accepted} times, but only {failures} deliveries of it failed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_at_any_moment_every_order_is_counted_once_and_confirmed_under_one_key() {
    for seeds in SEEDS.chunks(2) {
        let storms: Vec<_> = seeds.iter().map(|seed| (seed, tokio::spawn(storm(*seed)))).collect();
        for (seed, storm) in storms {
            storm
                .await
                .unwrap_or_else(|_| panic!("the storm of seed {seed} did damage"));
        }
    }
}
