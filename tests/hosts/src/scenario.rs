//! What happens to a message, and what must become of it.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use emulator::Answer;
use serde_json::json;

use crate::case::{Case, Seen};
use crate::driver::Driver;
use crate::ledger::{Ledger, Store};
use crate::{Failed, ID, until};

/// A second shorter than the HTTP client waits for an answer.
const HELD: Duration = Duration::from_secs(4);

/// One of the things that go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// It is delivered again after it is done
    Again,
    /// It is delivered again while it is in process
    AtOnce,
    /// The replies of the ledger to claim and completion are lost
    LostReplies,
    /// PostgreSQL: the answer that it is done is lost
    LostAnswer,
    /// The receiver answers 503 once
    Failure,
    /// The receiver answers 400
    Permanent,
    /// Its body is no notification
    Malformed,
    /// The process is killed after the effect, before the completion
    Killed,
    /// PostgreSQL: the database is killed between effect and completion, and started again
    Restart,
    /// The receiver has the effect and does not answer in time
    Deadline,
    /// PostgreSQL: orders, whose writes are in the transaction of the record, with kills, cuts and lost replies
    Orders,
}

/// What must become of the message.
enum Promise {
    /// Done, after one effect.
    Once,
    /// Done, after two.
    Repeated,
    /// Dead-lettered without an effect, with a rejected record and a reason that contains this.
    Rejected(&'static str),
}

impl Scenario {
    /// The head of its row.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Again => "delivered again when it is done",
            Self::AtOnce => "delivered again while it is in process",
            Self::LostReplies => "the ledger's replies to claim and completion are lost",
            Self::LostAnswer => "the answer that it is done is lost",
            Self::Failure => "the receiver answers 503 once",
            Self::Permanent => "the receiver answers 400",
            Self::Malformed => "the body is malformed",
            Self::Killed => "the process is killed between effect and completion",
            Self::Restart => "the database is killed between effect and completion",
            Self::Deadline => "the receiver stalls after the effect",
            Self::Orders => "60 orders of `place-order`, with kills, cuts and lost replies",
        }
    }

    /// Whether it is played with this store.
    pub(crate) fn is_on(self, store: Store) -> bool {
        match self {
            Self::LostAnswer | Self::Restart | Self::Orders => store == Store::Postgresql,
            _ => true,
        }
    }

    /// The function whose message it is, and its namespace.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Orders => "place-order",
            _ => "send-notification",
        }
    }

    /// For how many seconds a worker on a Storage Queue holds what it has without the ledger. A completion must be tried until the
    /// database is there again; elsewhere, a message that a killed process had must come back soon.
    pub(crate) fn window(self) -> u32 {
        match self {
            Self::Restart => 60,
            _ => 4,
        }
    }

    pub(crate) fn kills_database(self) -> bool {
        matches!(self, Self::Restart | Self::Orders)
    }

    /// Of the template. A function must have more time than three requests to AWS.
    pub(crate) fn parameters(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Deadline => &[("FunctionTimeout", "4"), ("RequestTimeout", "1")],
            _ => &[],
        }
    }

    fn promise(self) -> Promise {
        match self {
            Self::Again | Self::AtOnce | Self::LostReplies | Self::LostAnswer => Promise::Once,
            Self::Failure | Self::Restart | Self::Orders => Promise::Once,
            Self::Killed | Self::Deadline => Promise::Repeated,
            Self::Permanent => Promise::Rejected("answered 400 Bad Request"),
            Self::Malformed => Promise::Rejected("malformed body: "),
        }
    }

    /// Sends the message, and lets go wrong what goes wrong. Returns its key; `None`: it took too long to show anything.
    pub(crate) async fn play<D: Driver>(self, case: &mut Case<D>) -> Result<Option<String>, Failed> {
        let stalls = Answer {
            delay: Duration::from_secs(86_400),
            ..Answer::default()
        };
        match self {
            Self::AtOnce | Self::Restart => case.receiver().hold(),
            Self::LostReplies => case.ledger.lose_replies(),
            Self::LostAnswer => case.driver.lose_answer(),
            Self::Failure => case.receiver().refuse_next(503, None),
            Self::Permanent => case.receiver().refuse_next(400, None),
            Self::Killed | Self::Deadline => case.receiver().answer_next(1, &stalls),
            Self::Again | Self::Malformed | Self::Orders => {}
        }
        if self == Self::Restart {
            return restart(case, &self.body()).await.map(Some);
        }
        let key = case.driver.send(ID, &self.body()).await?;
        match self {
            Self::Again => again(case, &key).await?,
            Self::AtOnce if !at_once(case, &key).await? => return Ok(None),
            Self::Killed => killed(case, &key).await?,
            _ => {}
        }
        Ok(Some(key))
    }

    fn body(self) -> String {
        match self {
            Self::Malformed => "no notification".to_owned(),
            _ => json!({ "to": "ada@example.com", "subject": "Your order", "text": "It is on its way." }).to_string(),
        }
    }

    /// The cell of the table.
    ///
    /// # Errors
    ///
    /// It is not what must become of the message.
    pub(crate) fn check(self, seen: &Seen) -> Result<String, Failed> {
        let is_done = seen.record == "COMPLETED" && seen.dead_letters.is_empty();
        let happened = match self {
            // Once while the first is in process, and once more after it is done: so it was to be tried again.
            Self::AtOnce => seen.refused >= 2,
            Self::LostReplies => seen.has_lost_replies,
            Self::LostAnswer => seen.lost_answers == 1,
            _ => true,
        };
        let cell = match (self.promise(), seen.effects) {
            _ if !happened => return Err(format!("what the case is about did not happen: {seen:?}").into()),
            (Promise::Once, 1) if is_done => "done, 1 effect",
            // Two; a third if the machine is so slow that another attempt exceeds its time.
            (Promise::Repeated, 2..=3) if is_done => "done, 2 or 3 effects",
            (Promise::Rejected(why), 0) if seen.is_rejected(why) => "dead letter, no effect",
            _ => return Err(format!("{seen:?}").into()),
        };
        Ok(cell.to_owned())
    }
}

impl Seen {
    fn is_rejected(&self, why: &str) -> bool {
        self.record == "REJECTED" && matches!(&self.dead_letters[..], [reason] if reason.contains(why))
    }
}

async fn again<D: Driver>(case: &mut Case<D>, key: &str) -> Result<(), Failed> {
    until("the message is done", async || case.is_finished(key).await).await?;
    case.driver.repeat().await
}

/// Whether the second delivery came in time: before the HTTP client of the first gave up.
async fn at_once<D: Driver>(case: &mut Case<D>, key: &str) -> Result<bool, Failed> {
    let mut begun = Instant::now();
    let requested = async || {
        let now = Instant::now();
        let has = !case.receiver().requests().is_empty();
        if !has {
            begun = now;
        }
        Ok(has)
    };
    until("the receiver has the notification", requested).await?;
    case.ledger.count_refusals();
    case.driver.repeat().await?;
    let is_late = || begun.elapsed() > HELD;
    let met = async || Ok(case.ledger.refused() > 0 || is_late());
    until("the second delivery was refused the key", met).await?;
    case.receiver().release();
    if is_late() {
        return Ok(false);
    }
    let completed = async || Ok(case.status(key).await? == "COMPLETED");
    until("the first is done", completed).await?;
    case.driver.reveal();
    Ok(true)
}

async fn killed<D: Driver>(case: &mut Case<D>, key: &str) -> Result<(), Failed> {
    received(case).await?;
    case.kill().await?;
    case.ledger.end_lease(&case.key(key)?).await?;
    case.driver.reveal();
    case.start().await
}

async fn received<D: Driver>(case: &Case<D>) -> Result<(), Failed> {
    until("the receiver has the notification", async || {
        Ok(!case.receiver().requests().is_empty())
    })
    .await
}

/// The completion meets a database that is dead.
async fn restart<D: Driver>(case: &mut Case<D>, body: &str) -> Result<String, Failed> {
    let Ledger::Postgresql(postgresql) = &case.ledger else {
        return Err("only PostgreSQL can be killed".into());
    };
    let reserved = postgresql.reserve().await?;
    let key = case.driver.send(ID, body).await?;
    received(case).await?;
    let restarting = reserved.kill().await?;
    case.receiver().release();
    restarting.started().await?;
    Ok(key)
}
