//! Takes orders: each is inserted, added to its customer's running total, and confirmed, exactly once.
//!
//! The total is the point. Adding is not idempotent by itself, so a total is right only if the effect of each message
//! happens once, however often it is delivered. Order, total and the record that the message is done are therefore
//! committed in one transaction. The confirmation is kept in that record, and sent once it is there.

mod confirmation;
mod order;
mod tables;

pub use order::{InvalidOrder, Line, Order};
pub use tables::Tables;

use consumer::{Delivery, Failure, Handler, Mode};
use host::{SettingError, setting};
use idempotency::{Completion, DynamoDbWrite};

/// The handler of [`Order`] messages.
#[derive(Debug, Clone)]
pub struct PlaceOrder {
    tables: Tables,
    notifications_queue: String,
}

impl PlaceOrder {
    /// A handler that writes to these tables, and sends confirmations to the queue of this URL.
    pub fn new(tables: Tables, notifications_queue: impl Into<String>) -> Self {
        Self {
            tables,
            notifications_queue: notifications_queue.into(),
        }
    }

    /// The same, tables named by `ORDERS_TABLE` and `CUSTOMERS_TABLE`, the queue by `NOTIFICATIONS_QUEUE_URL`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if one of them is not set.
    pub fn from_env() -> Result<Self, SettingError> {
        let tables = Tables {
            orders: setting("ORDERS_TABLE")?,
            customers: setting("CUSTOMERS_TABLE")?,
        };
        Ok(Self::new(tables, setting("NOTIFICATIONS_QUEUE_URL")?))
    }
}

impl Handler for PlaceOrder {
    type Message = Order;
    type Write = DynamoDbWrite;
    const NAMESPACE: &'static str = "place-order";
    // Its only effects are its writes and its message.
    const MODE: Mode = Mode::OneStep;

    async fn handle(&self, order: Order, _: &Delivery) -> Result<Completion<DynamoDbWrite>, Failure> {
        order.check().map_err(Failure::permanent)?;
        Ok(Completion::new()
            .write(self.tables.insert(&order)?)
            .write(self.tables.add_to_total(&order)?)
            .send(confirmation::of(&order, &self.notifications_queue)?))
    }
}
