//! Reserves stock: subtracts the quantity that an order needs from the stock of a SKU, exactly once and never below zero.
//!
//! The first request for a SKU is served first. Messages therefore come from a FIFO queue whose message group is the SKU:
//! reservations of one SKU are made in order, those of different SKUs concurrently. One transaction checks that the stock
//! suffices and commits the completed record, so the condition holds even if others write to the table.

mod reservation;
mod table;

pub use reservation::{InvalidReservation, Reservation};
pub use table::Table;

use consumer::{Delivery, Failure, Handler, IdempotencyKey, Mode, Received};
use host::{SettingError, table};
use idempotency::{Completion, DynamoDbWrite};

/// The handler of [`Reservation`] messages.
#[derive(Debug, Clone)]
pub struct ReserveStock {
    table: Table,
}

impl ReserveStock {
    /// A handler that reserves from this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The same, with the table in `STOCK_TABLE`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if it is not set, or can't be a table's name.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(Table {
            stock: table("STOCK_TABLE")?,
        }))
    }
}

impl Handler for ReserveStock {
    type Message = Reservation;
    type Write = DynamoDbWrite;
    const NAMESPACE: &'static str = "reserve-stock";
    // The only effect is a write, so no claim is needed.
    const MODE: Mode = Mode::OneStep;

    /// One key per SKU and order: messages that repeat a reservation are duplicates.
    fn key(&self, reservation: &Reservation, _: &Received) -> IdempotencyKey {
        IdempotencyKey::business(format!("{:?} for order {:?}", reservation.sku, reservation.order))
    }

    async fn handle(&self, reservation: Reservation, _: &Delivery) -> Result<Completion<DynamoDbWrite>, Failure> {
        reservation.check().map_err(Failure::permanent)?;
        Ok(Completion::new().write(self.table.reserve(&reservation)?))
    }
}
