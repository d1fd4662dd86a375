//! Whatever clients do, each message is in a queue until a valid handle deletes it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Send {
        group: u8,
    },
    SendTwice,
    Receive {
        max: u8,
        visibility: u16,
    },
    ReceiveDead,
    /// Of everything received so far, deletes one, perhaps by an old handle.
    Delete {
        which: usize,
    },
    Hide {
        which: usize,
        seconds: u16,
    },
    Pass {
        seconds: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8).prop_map(|group| Step::Send { group }),
        1 => Just(Step::SendTwice),
        4 => (1..=10_u8, 0..40_u16).prop_map(|(max, visibility)| Step::Receive { max, visibility }),
        1 => Just(Step::ReceiveDead),
        3 => any::<usize>().prop_map(|which| Step::Delete { which }),
        2 => (any::<usize>(), 0..60_u16).prop_map(|(which, seconds)| Step::Hide { which, seconds }),
        2 => (0..40_u8).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// How many copies of each message there should be.
type Copies = BTreeMap<String, usize>;

struct Run {
    client: Client,
    dead: String,
    received: Vec<Value>,
    expected: Copies,
    sent: u32,
}

impl Run {
    async fn new(fifo: bool) -> Self {
        let client = if fifo {
            Client::fifo().await
        } else {
            Client::standard().await
        };
        let dead = if fifo { "dead.fifo" } else { "dead" };
        client
            .create(
                dead,
                if fifo {
                    json!({ "FifoQueue": "true" })
                } else {
                    json!({})
                },
            )
            .await;
        let arn = format!("arn:aws:sqs:eu-central-1:000000000000:{dead}");
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 3 }).to_string();
        client
            .ok(
                "SetQueueAttributes",
                json!({ "Attributes": { "RedrivePolicy": policy } }),
            )
            .await;
        Self {
            client,
            dead: dead.to_owned(),
            received: Vec::new(),
            expected: Copies::new(),
            sent: 0,
        }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Send { group } => self.send(group).await,
            Step::SendTwice => {
                self.client.sqs.deliver_twice(&self.client.queue, 1);
                self.send(0).await;
            }
            Step::Receive { max, visibility } => {
                let request = json!({ "MaxNumberOfMessages": max, "VisibilityTimeout": visibility });
                self.received.extend(self.client.receive_with(request).await);
            }
            Step::ReceiveDead => {
                self.client
                    .sqs
                    .call("ReceiveMessage", json!({ "QueueUrl": self.dead }))
                    .await
                    .unwrap();
            }
            Step::Delete { which } => self.delete(which).await,
            Step::Hide { which, seconds } => {
                if let Some(message) = self.pick(which) {
                    // A refusal is fine; losing the message would not be.
                    self.client.change_visibility(&message, seconds.into()).await.ok();
                }
            }
            Step::Pass { seconds: passed } => seconds(passed.into()).await,
        }
    }

    async fn send(&mut self, group: u8) {
        self.sent += 1;
        let before = self.client.states().len();
        let id = self
            .client
            .send_in_group(&group.to_string(), &self.sent.to_string())
            .await;
        let copies = self.client.states().len() - before;
        assert!((1..=2).contains(&copies));
        self.expected.insert(id, copies);
    }

    fn pick(&self, which: usize) -> Option<Value> {
        self.received.get(which.checked_rem(self.received.len())?).cloned()
    }

    /// A deletion takes away the one copy whose latest handle this is, or none.
    async fn delete(&mut self, which: usize) {
        let Some(message) = self.pick(which) else { return };
        let id = text(&message["MessageId"]);
        let before = self.held().get(&id).copied().unwrap_or(0);
        let later = self
            .received
            .iter()
            .rev()
            .find(|later| slot(later) == slot(&message))
            .unwrap();
        let latest = later["ReceiptHandle"] == message["ReceiptHandle"];
        let request = json!({ "ReceiptHandle": message["ReceiptHandle"] });
        let deleted = self.client.call("DeleteMessage", request).await.is_ok();
        let after = self.held().get(&id).copied().unwrap_or(0);
        if after < before {
            assert!(latest && deleted && after + 1 == before);
            self.expected.entry(id).and_modify(|copies| *copies -= 1);
        }
    }

    fn held(&self) -> Copies {
        let mut held = Copies::new();
        for queue in [&self.client.queue, &self.dead] {
            for message in self.client.sqs.peek(queue) {
                *held.entry(message.message_id).or_default() += 1;
            }
        }
        held
    }

    fn check(&self) {
        let mut expected = self.expected.clone();
        expected.retain(|_, copies| *copies > 0);
        assert_eq!(self.held(), expected);
        let known: BTreeSet<&String> = self.expected.keys().collect();
        assert!(
            self.received
                .iter()
                .all(|message| known.contains(&text(&message["MessageId"])))
        );
    }
}

fn slot(message: &Value) -> u64 {
    super::super::receipt::Receipt::parse(message["ReceiptHandle"].as_str().unwrap())
        .unwrap()
        .slot
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_stays_until_a_valid_handle_deletes_it(fifo: bool, steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(fifo).await;
            for step in &steps {
                run.take(step).await;
                run.check();
            }
        });
    }
}
