//! Places orders: stores each order, adds it to the total of its customer, and sends a confirmation, exactly once.
//!
//! Adding is not idempotent by itself: the total is right only if each message has its effect once, however often it is
//! delivered. Therefore one transaction commits the order, the total and the completed record. The confirmation is stored in
//! that record, and sent after the commit.

mod confirmation;
mod order;
mod tables;

pub use order::{InvalidOrder, Line, Order};
pub use tables::Tables;

use consumer::{Delivery, Failure, Handler, Mode};
use host::{SettingError, queue_url, table};
use idempotency::{Completion, DynamoDbWrite};

/// The handler of [`Order`] messages.
#[derive(Debug, Clone)]
pub struct PlaceOrder {
    tables: Tables,
    notifications_queue: String,
}

impl PlaceOrder {
    /// A handler that writes to these tables and sends confirmations to the queue with this URL.
    pub fn new(tables: Tables, notifications_queue: impl Into<String>) -> Self {
        Self {
            tables,
            notifications_queue: notifications_queue.into(),
        }
    }

    /// The same, with the tables in `ORDERS_TABLE` and `CUSTOMERS_TABLE` and the queue in `NOTIFICATIONS_QUEUE_URL`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if one of them is not set, or can't be a table's name or a standard queue's URL.
    pub fn from_env() -> Result<Self, SettingError> {
        const VARIABLE: &str = "NOTIFICATIONS_QUEUE_URL";
        let tables = Tables {
            orders: table("ORDERS_TABLE")?,
            customers: table("CUSTOMERS_TABLE")?,
        };
        let notifications_queue = queue_url(VARIABLE)?;
        match notifications_queue.ends_with(".fifo") {
            true => Err(SettingError::wrong(
                VARIABLE,
                "names a FIFO queue: confirmations have no message group, so use a standard queue",
            )),
            false => Ok(Self::new(tables, notifications_queue)),
        }
    }
}

impl Handler for PlaceOrder {
    type Message = Order;
    type Write = DynamoDbWrite;
    const NAMESPACE: &'static str = "place-order";
    // The only effects are writes and a message, so no claim is needed.
    const MODE: Mode = Mode::OneStep;

    async fn handle(&self, order: Order, _: &Delivery) -> Result<Completion<DynamoDbWrite>, Failure> {
        order.check().map_err(Failure::permanent)?;
        Ok(Completion::new()
            .write(self.tables.insert(&order)?)
            .write(self.tables.add_to_total(&order)?)
            .send(confirmation::of(&order, &self.notifications_queue)?))
    }
}
