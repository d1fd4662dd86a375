//! Places orders: stores each order, adds it to the total of its customer, and sends a confirmation, exactly once.
//!
//! Adding is not idempotent by itself: the total is right only if each message has its effect once, however often it is
//! delivered. Therefore one transaction commits the order, the total and the completed record. The confirmation is stored in
//! that record, and sent after the commit.
//!
//! The orders are where the ledger is: in DynamoDB, or in PostgreSQL. The handler is the same.

mod confirmation;
mod order;
mod orders;
#[cfg(any(feature = "push", feature = "worker"))]
mod sql;
mod tables;

pub use order::{InvalidOrder, Line, Order};
pub use orders::Orders;
#[cfg(any(feature = "push", feature = "worker"))]
pub use sql::SqlTables;
pub use tables::Tables;

use consumer::{Delivery, Failure, Handler, Mode};
use host::{SettingError, queue_url, table};
use idempotency::Completion;

/// The handler of [`Order`] messages.
#[derive(Debug, Clone)]
pub struct PlaceOrder<O = Tables> {
    orders: O,
    notifications_queue: String,
}

impl<O> PlaceOrder<O> {
    /// A handler that writes orders there and sends confirmations to the queue with this URL.
    pub fn new(orders: O, notifications_queue: impl Into<String>) -> Self {
        Self {
            orders,
            notifications_queue: notifications_queue.into(),
        }
    }

    /// The same, with the queue in `NOTIFICATIONS_QUEUE_URL`.
    fn with_queue_from_env(orders: O) -> Result<Self, SettingError> {
        const VARIABLE: &str = "NOTIFICATIONS_QUEUE_URL";
        let notifications_queue = queue_url(VARIABLE)?;
        match notifications_queue.ends_with(".fifo") {
            true => Err(SettingError::wrong(
                VARIABLE,
                "names a FIFO queue: confirmations have no message group, so use a standard queue",
            )),
            false => Ok(Self::new(orders, notifications_queue)),
        }
    }
}

impl PlaceOrder<Tables> {
    /// A handler with the DynamoDB tables in `ORDERS_TABLE` and `CUSTOMERS_TABLE` and the queue in `NOTIFICATIONS_QUEUE_URL`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if one of them is not set, or can't be a table's name or a standard queue's URL.
    pub fn from_env() -> Result<Self, SettingError> {
        Self::with_queue_from_env(Tables {
            orders: table("ORDERS_TABLE")?,
            customers: table("CUSTOMERS_TABLE")?,
        })
    }
}

#[cfg(any(feature = "push", feature = "worker"))]
impl PlaceOrder<SqlTables> {
    /// A handler with the tables of `schema.sql` in the database of the ledger, and the queue in `NOTIFICATIONS_QUEUE_URL`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if the queue is not set, or can't be a standard queue's URL.
    pub fn on_postgresql() -> Result<Self, SettingError> {
        ["orders", "customers"].into_iter().for_each(host::sql_table);
        Self::with_queue_from_env(SqlTables)
    }
}

impl<O: Orders> Handler for PlaceOrder<O> {
    type Message = Order;
    type Write = O::Write;
    const NAMESPACE: &'static str = "place-order";
    // The only effects are writes and a message, so no claim is needed.
    const MODE: Mode = Mode::OneStep;

    async fn handle(&self, order: Order, _: &Delivery) -> Result<Completion<O::Write>, Failure> {
        order.check().map_err(Failure::permanent)?;
        let confirmation = confirmation::of(&order, &self.notifications_queue)?;
        let writes = self.orders.writes(&order)?.into_iter();
        Ok(writes.fold(Completion::new(), Completion::write).send(confirmation))
    }
}
