//! Takes orders: each is inserted, and added to its customer's running total, exactly once.
//!
//! The total is the point. Adding is not idempotent by itself, so a total is right only if the effect of each message
//! happens once, however often it is delivered. Order, total and the record that the message is done are therefore
//! committed in one transaction.

mod order;
mod tables;

pub use order::{InvalidOrder, Line, Order};
pub use tables::Tables;

use batch::{Delivery, Failure, Handler, Mode};
use host::{SettingError, setting};
use idempotency::Completion;

/// The handler of [`Order`] messages.
#[derive(Debug, Clone)]
pub struct PlaceOrder {
    tables: Tables,
}

impl PlaceOrder {
    /// A handler that writes to these tables.
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// The same, tables named by `ORDERS_TABLE` and `CUSTOMERS_TABLE`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if one of them is not set.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(Tables {
            orders: setting("ORDERS_TABLE")?,
            customers: setting("CUSTOMERS_TABLE")?,
        }))
    }
}

impl Handler for PlaceOrder {
    type Message = Order;
    const NAMESPACE: &'static str = "place-order";
    // Its only effects are its writes.
    const MODE: Mode = Mode::OneStep;

    async fn handle(&self, order: Order, _: &Delivery) -> Result<Completion, Failure> {
        order.check().map_err(Failure::permanent)?;
        Ok(Completion::new()
            .write(self.tables.insert(&order)?)
            .write(self.tables.add_to_total(&order)?))
    }
}
