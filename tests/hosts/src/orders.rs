//! Orders on two processes, with kills, cuts, lost replies and repeated deliveries.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use workers::{Orders, body, orders_hold, same, subject};

use crate::case::Case;
use crate::driver::Driver;
use crate::ledger::Ledger;
use crate::postgresql::{Postgresql, Restarting};
use crate::{Failed, until};

const ORDERS: u64 = 60;

/// Ends the transaction of an order.
const COMMIT: &str = "COMMIT";

/// What goes wrong at an order.
enum Fault {
    /// It is delivered twice.
    Repeated,
    /// The reply to its commit, or to that of another order, is lost.
    LostReply,
    /// The answer that it is done, or that of another order, is lost.
    LostAnswer,
    /// The connections to the database are cut.
    Cut,
    /// All processes are killed after a commit, before its reply.
    Killed,
    /// The database is killed.
    DatabaseKilled,
    /// The database is there again.
    DatabaseStarted,
    None,
}

impl Fault {
    /// Azure Functions tries a message five times. Kills and lost answers together are four.
    fn at(number: u64) -> Self {
        match number {
            10 | 40 => Self::LostAnswer,
            15 | 45 => Self::Killed,
            25 => Self::DatabaseKilled,
            35 => Self::DatabaseStarted,
            _ => match number % 10 {
                1 => Self::LostReply,
                4 | 6 => Self::Repeated,
                8 => Self::Cut,
                _ => Self::None,
            },
        }
    }
}

/// Sends them, and checks what became of them: the cell of the table.
pub(crate) async fn play<D: Driver>(case: &mut Case<D>) -> Result<String, Failed> {
    let (mut orders, mut restarting, mut lost) = (Orders::default(), None, [0, 0]);
    let mut first = String::new();
    for number in 0..ORDERS {
        let fault = Fault::at(number);
        match fault {
            Fault::LostReply | Fault::Killed => {
                postgresql(case)?.lose_reply(COMMIT);
                lost[0] += 1;
            }
            Fault::LostAnswer => {
                case.driver.lose_answer();
                lost[1] += 1;
            }
            _ => {}
        }
        let order = orders.draw();
        let key = case
            .driver
            .send(&format!("m-{number}"), &body(order).to_string())
            .await?;
        first = if number == 0 { key.clone() } else { first };
        orders.messages.insert(key, order);
        disturb(case, fault, lost[0], &mut restarting).await?;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..30))).await;
    }
    case.settle(&first).await?;
    let found = [postgresql(case)?.proxy.lost(), case.driver.lost_answers()];
    if found != lost {
        return Err(format!("{found:?} replies and answers were lost, not {lost:?}").into());
    }
    check(case, &orders).await?;
    Ok("each once".to_owned())
}

fn postgresql<D: Driver>(case: &Case<D>) -> Result<&Postgresql, Failed> {
    match &case.ledger {
        Ledger::Postgresql(postgresql) => Ok(postgresql),
        Ledger::Dynamodb(_) => Err("orders are in PostgreSQL here".into()),
    }
}

async fn disturb<D: Driver>(
    case: &mut Case<D>,
    fault: Fault,
    lost: usize,
    restarting: &mut Option<Restarting>,
) -> Result<(), Failed> {
    match fault {
        Fault::Repeated => case.driver.repeat().await?,
        Fault::Cut => postgresql(case)?.proxy.cut(),
        Fault::Killed => {
            let proxy = &postgresql(case)?.proxy;
            until("the reply to a commit is lost", async || Ok(proxy.lost() == lost)).await?;
            case.replace().await?;
        }
        Fault::DatabaseKilled => *restarting = Some(postgresql(case)?.reserve().await?.kill().await?),
        Fault::DatabaseStarted => {
            if let Some(restarting) = restarting.take() {
                restarting.started().await?;
            }
        }
        Fault::LostReply | Fault::LostAnswer | Fault::None => {}
    }
    Ok(())
}

/// Each order is stored once and confirmed under its key, and those that can't be processed are dead letters.
async fn check<D: Driver>(case: &Case<D>, orders: &Orders) -> Result<(), Failed> {
    orders_hold(orders, &postgresql(case)?.found().await?)?;
    let dead: BTreeSet<_> = case.driver.dead_letters().await?.into_iter().collect();
    let order_of = |reason: &String| reason.split(' ').nth(1).unwrap_or_default().to_owned();
    same(
        "promise 5: dead letters",
        &dead.iter().map(order_of).collect(),
        &orders.poison(),
    )?;
    if let Some(other) = dead.iter().find(|reason| !reason.contains("does not add up")) {
        return Err(format!("promise 5: a dead letter with the reason {other:?}").into());
    }
    let confirmations = case.driver.confirmations().await?.into_iter();
    let confirmed: BTreeSet<_> = confirmations.map(|(key, body)| (key, subject_in(&body))).collect();
    let confirmation = |order: &String| (format!("confirmation of order {order}"), subject(order));
    let expected = orders.valid().keys().map(confirmation).collect();
    same("promise 5: confirmations", &confirmed, &expected)
}

fn subject_in(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["subject"].as_str().unwrap_or_default().to_owned()
}
