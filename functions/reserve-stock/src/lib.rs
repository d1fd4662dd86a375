//! Reserves stock: what an order needs of a SKU is taken from its stock, exactly once and never below zero.
//!
//! The order of messages is the point: whoever asks first is served first. So they come from a FIFO queue, grouped by SKU: one
//! SKU's reservations are made in order, those of different SKUs side by side. The condition that stock suffices is part
//! of the same transaction as the record that the message is done, so it holds whoever else writes to the table.

mod reservation;
mod table;

pub use reservation::{InvalidReservation, Reservation};
pub use table::Table;

use consumer::{Delivery, Failure, Handler, IdempotencyKey, Mode, Received};
use host::{SettingError, setting};
use idempotency::{Completion, DynamoDbWrite};

/// The handler of [`Reservation`] messages.
#[derive(Debug, Clone)]
pub struct ReserveStock {
    table: Table,
}

impl ReserveStock {
    /// A handler that takes from this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The same, the table named by `STOCK_TABLE`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if it is not set.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(Table {
            stock: setting("STOCK_TABLE")?,
        }))
    }
}

impl Handler for ReserveStock {
    type Message = Reservation;
    type Write = DynamoDbWrite;
    const NAMESPACE: &'static str = "reserve-stock";
    // Its only effect is its write.
    const MODE: Mode = Mode::OneStep;

    /// What an order needs of a SKU is one reservation, however many messages its producer makes of it.
    fn key(&self, reservation: &Reservation, _: &Received) -> IdempotencyKey {
        IdempotencyKey::business(format!("{:?} for order {:?}", reservation.sku, reservation.order))
    }

    async fn handle(&self, reservation: Reservation, _: &Delivery) -> Result<Completion<DynamoDbWrite>, Failure> {
        reservation.check().map_err(Failure::permanent)?;
        Ok(Completion::new().write(self.table.take(&reservation)?))
    }
}
