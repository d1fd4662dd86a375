//! What is reserved, and whether it can be.

use serde::{Deserialize, Serialize};

/// A reservation. Its message's group is its SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// What is reserved (stock keeping unit).
    pub sku: String,
    /// How many; at least one.
    pub quantity: i64,
    /// The ID of the order that they are for.
    pub order: String,
}

/// Why a reservation can never be made, whatever is in stock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReservation {
    /// It does not say of what, or what for.
    #[error("reservation of {sku:?} for order {order:?}: both must have 1 to {MAX_NAME_BYTES} bytes")]
    Name {
        /// The reservation's.
        sku: String,
        /// The reservation's.
        order: String,
    },
    /// Less than one is reserved.
    #[error("reservation of {sku} for order {order}: quantity is {quantity}, must be positive")]
    Quantity {
        /// The reservation's.
        sku: String,
        /// The reservation's.
        order: String,
        /// The reservation's.
        quantity: i64,
    },
}

/// The SKU is a partition key, and so is an order's ID elsewhere
/// ([Constraints](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_NAME_BYTES: usize = 2048;

impl Reservation {
    /// Whether the reservation makes sense.
    ///
    /// # Errors
    ///
    /// [`InvalidReservation`] names the reservation and what is wrong with it; it will never be right.
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
    fn one_of_something_for_some_order_is_fine() {
        assert_eq!(reservation().check(), Ok(()));
    }

    #[test]
    fn less_than_one_is_refused_with_its_reason() {
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
    fn names_of_2048_bytes_are_fine_and_longer_or_empty_ones_are_not() {
        let is_name = |name: &str| named(name).map(|reservation| reservation.check().is_ok());
        assert_eq!(is_name(&"ü".repeat(1024)), [true; 2]);
        assert_eq!(is_name(&"ü".repeat(1025)), [false; 2]);
        assert_eq!(is_name(""), [false; 2]);
    }
}
