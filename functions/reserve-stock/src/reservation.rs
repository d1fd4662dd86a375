//! Reservations and their validation.

use serde::{Deserialize, Serialize};

/// A reservation. The message group of its message is the SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The reserved item (stock keeping unit).
    pub sku: String,
    /// Number of units; at least one.
    pub quantity: i64,
    /// The ID of the order that needs them.
    pub order: String,
}

/// Why a reservation is invalid, whatever is in stock. The failure is permanent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReservation {
    /// SKU or order is empty or too long for a partition key.
    #[error("reservation of {sku:?} for order {order:?}: both must have 1 to {MAX_NAME_BYTES} bytes")]
    Name {
        /// The SKU of the reservation.
        sku: String,
        /// The order of the reservation.
        order: String,
    },
    /// The quantity is less than one.
    #[error("reservation of {sku} for order {order}: quantity is {quantity}, must be positive")]
    Quantity {
        /// The SKU of the reservation.
        sku: String,
        /// The order of the reservation.
        order: String,
        /// The quantity of the reservation.
        quantity: i64,
    },
}

/// The limit of a partition key. The SKU is one here; the ID of the order is one in the table of orders
/// ([Constraints](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_NAME_BYTES: usize = 2048;

impl Reservation {
    /// Validates the reservation.
    ///
    /// # Errors
    ///
    /// [`InvalidReservation`] states the reservation and the violated rule.
    pub fn check(&self) -> Result<(), InvalidReservation> {
        let (sku, order) = (self.sku.clone(), self.order.clone());
        let is_name = |name: &String| (1..=MAX_NAME_BYTES).contains(&name.len());
        match self.quantity {
            _ if ![&sku, &order].into_iter().all(is_name) => Err(InvalidReservation::Name { sku, order }),
            quantity @ ..=0 => Err(InvalidReservation::Quantity { sku, order, quantity }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reservation() -> Reservation {
        Reservation {
            sku: "tea".to_owned(),
            quantity: 1,
            order: "o-1".to_owned(),
        }
    }

    fn named(name: &str) -> [Reservation; 2] {
        let (sku, order) = (name.to_owned(), name.to_owned());
        [
            Reservation { sku, ..reservation() },
            Reservation { order, ..reservation() },
        ]
    }

    #[test]
    fn reservation_of_one_is_valid() {
        assert_eq!(reservation().check(), Ok(()));
    }

    #[test]
    fn quantity_below_one_is_refused_with_a_reason() {
        for quantity in [0, -1, i64::MIN] {
            let error = Reservation {
                quantity,
                ..reservation()
            }
            .check()
            .unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("reservation of tea for order o-1: quantity is {quantity}, must be positive")
            );
        }
    }

    #[test]
    fn names_have_1_to_2048_bytes() {
        let is_name = |name: &str| named(name).map(|reservation| reservation.check().is_ok());
        assert_eq!(is_name(&"ü".repeat(1024)), [true; 2]);
        assert_eq!(is_name(&"ü".repeat(1025)), [false; 2]);
        assert_eq!(is_name(""), [false; 2]);
    }
}
