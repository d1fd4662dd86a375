//! Where orders are kept.

use consumer::Failure;
use idempotency::Write;

use crate::Order;

/// The writes of an order, for one kind of database.
pub trait Orders: Send + Sync + 'static {
    /// The write of its store.
    type Write: Write;

    /// Inserts the order if its ID is new, and adds its amount to the total of its customer.
    ///
    /// If the same order exists, the producer sent it twice, and it is already done. Another order with this ID is a
    /// permanent failure.
    ///
    /// # Errors
    ///
    /// A [`Failure`] if the writes can't be made of it.
    fn writes(&self, order: &Order) -> Result<Vec<Self::Write>, Failure>;
}

/// Why an order with the ID of another one can't be placed.
pub(crate) fn id_taken(order: &Order) -> String {
    format!("order {} was placed before with other content", order.id)
}
