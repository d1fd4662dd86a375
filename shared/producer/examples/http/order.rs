//! Orders as the consumer of the queue reads them.
//!
//! The rules are the consumer's. A client learns here at once what would otherwise be a rejected message later.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::callers::Caller;
use crate::problem::Problem;

/// ID and customer are partition keys of the consumer's tables
/// ([Constraints](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_KEY_BYTES: usize = 2048;

/// An order. Money is in minor units (cents).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    id: String,
    customer: String,
    items: Vec<Line>,
    amount: i64,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    sku: String,
    quantity: i64,
    price: i64,
}

impl Order {
    /// The order in the body of this caller's request, if the consumer can process it.
    ///
    /// The ID that the client chose is made one of its own: otherwise a caller could use up the IDs of another, and learn from
    /// a rejection that they exist. May this caller order for this customer? A real application checks that, too.
    pub(crate) fn of(caller: &Caller, body: &[u8]) -> Result<Self, Problem> {
        let order: Self = serde_json::from_slice(body).map_err(|error| undecodable(&error))?;
        if order.id.trim().is_empty() || order.id.contains(char::is_control) {
            return Err(invalid("id is blank or has control characters"));
        }
        let order = Self {
            id: format!("{}/{}", caller.name(), order.id),
            ..order
        };
        order.check().map_err(|why| invalid(&why))?;
        Ok(order)
    }

    /// The ID, which is one of the caller's own.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the consumer can process it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.customer.trim().is_empty() {
            return Err("customer is blank".to_owned());
        }
        if self.id.len().max(self.customer.len()) > MAX_KEY_BYTES {
            return Err(format!(
                "id, with the caller's name, or customer has more than {MAX_KEY_BYTES} bytes"
            ));
        }
        if self.items.is_empty() {
            return Err("items is empty".to_owned());
        }
        for (position, line) in self.items.iter().enumerate() {
            if line.quantity <= 0 {
                return Err(format!(
                    "items[{position}].quantity is {}, must be positive",
                    line.quantity
                ));
            }
            if line.price < 0 {
                return Err(format!(
                    "items[{position}].price is {}, must not be negative",
                    line.price
                ));
            }
        }
        match self.sum() {
            sum if sum == i128::from(self.amount) => Ok(()),
            sum => Err(format!("amount is {}, but the items add up to {sum}", self.amount)),
        }
    }

    /// A line is less than 2^126, and no request has so many that their sum could exceed an `i128`. Saturating is cheaper than
    /// proving that.
    fn sum(&self) -> i128 {
        let lines = self.items.iter();
        let lines = lines.map(|line| i128::from(line.quantity) * i128::from(line.price));
        lines.fold(0, i128::saturating_add)
    }
}

fn undecodable(error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Data => invalid(&error.to_string()),
        _ => Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")),
    }
}

fn invalid(why: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the order is invalid: {why}"))
}
