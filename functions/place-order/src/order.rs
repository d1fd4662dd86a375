//! Orders and their validation.

use serde::{Deserialize, Serialize};

/// An order. Money is in minor units (cents).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The ID that the producer chose. Two messages with the same ID are one order.
    pub id: String,
    /// The customer whose total it is added to.
    pub customer: String,
    /// The lines of the order; at least one.
    pub items: Vec<Line>,
    /// The sum of the lines, in minor units.
    pub amount: i64,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What is ordered (stock keeping unit).
    pub sku: String,
    /// Number of units; at least one.
    pub quantity: i64,
    /// Price per unit in minor units; at least zero.
    pub price: i64,
}

/// Why an order can never be placed. The failure is permanent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    /// ID or customer is blank or too long for a partition key.
    #[error("order {id:?}: id and customer must not be blank, and have at most {MAX_KEY_BYTES} bytes")]
    Name {
        /// The order's ID.
        id: String,
    },
    /// The order has no lines.
    #[error("order {id} has no items")]
    Empty {
        /// The order's ID.
        id: String,
    },
    /// A quantity is less than one.
    #[error("order {id}: quantity of {sku} is {quantity}, must be positive")]
    Quantity {
        /// The order's ID.
        id: String,
        /// The SKU of the line.
        sku: String,
        /// The quantity of the line.
        quantity: i64,
    },
    /// A price is negative.
    #[error("order {id}: price of {sku} is {price}, must not be negative")]
    Price {
        /// The order's ID.
        id: String,
        /// The SKU of the line.
        sku: String,
        /// The price of the line, in minor units.
        price: i64,
    },
    /// The stated amount is not the sum of the lines.
    #[error("order {id} does not add up: amount is {amount}, its lines make {sum}")]
    Sum {
        /// The order's ID.
        id: String,
        /// The stated amount, in minor units.
        amount: i64,
        /// The sum of the lines, in minor units. It can exceed 64 bits.
        sum: i128,
    },
}

/// The limit of a partition key, because ID and customer are such keys
/// ([Constraints](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_KEY_BYTES: usize = 2048;

impl Order {
    /// Validates the order.
    ///
    /// # Errors
    ///
    /// [`InvalidOrder`] states the order and the violated rule.
    pub fn check(&self) -> Result<(), InvalidOrder> {
        let id = || self.id.clone();
        if [&self.id, &self.customer]
            .into_iter()
            .any(|name| name.trim().is_empty() || name.len() > MAX_KEY_BYTES)
        {
            return Err(InvalidOrder::Name { id: id() });
        }
        if self.items.is_empty() {
            return Err(InvalidOrder::Empty { id: id() });
        }
        for Line { sku, quantity, price } in &self.items {
            if *quantity <= 0 {
                return Err(InvalidOrder::Quantity {
                    id: id(),
                    sku: sku.clone(),
                    quantity: *quantity,
                });
            }
            if *price < 0 {
                return Err(InvalidOrder::Price {
                    id: id(),
                    sku: sku.clone(),
                    price: *price,
                });
            }
        }
        match self.sum() {
            sum if sum == i128::from(self.amount) => Ok(()),
            sum => Err(InvalidOrder::Sum {
                id: id(),
                amount: self.amount,
                sum,
            }),
        }
    }

    /// The sum of the lines. A line is less than 2^126 and no message holds more than 2^16 lines, so it cannot overflow;
    /// saturating is cheaper than proving that.
    fn sum(&self) -> i128 {
        let lines = self
            .items
            .iter()
            .map(|line| i128::from(line.quantity) * i128::from(line.price));
        lines.fold(0, i128::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        let line = |sku: &str, quantity, price| Line {
            sku: sku.to_owned(),
            quantity,
            price,
        };
        Order {
            id: "o-1".to_owned(),
            customer: "ada".to_owned(),
            items: vec![line("tea", 2, 350), line("cup", 1, 0)],
            amount: 700,
        }
    }

    #[test]
    fn order_that_adds_up_is_valid() {
        assert_eq!(order().check(), Ok(()));
    }

    #[test]
    fn error_about_a_wrong_sum_states_both_sums() {
        let error = Order { amount: 701, ..order() }.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "order o-1 does not add up: amount is 701, its lines make 700"
        );
    }

    #[test]
    fn invalid_orders_are_refused_with_a_reason() {
        let with_line = |quantity, price| {
            let items = vec![Line {
                sku: "tea".to_owned(),
                quantity,
                price,
            }];
            Order {
                items,
                amount: 0,
                ..order()
            }
            .check()
            .unwrap_err()
            .to_string()
        };
        assert_eq!(with_line(0, 1), "order o-1: quantity of tea is 0, must be positive");
        assert_eq!(with_line(1, -1), "order o-1: price of tea is -1, must not be negative");
        assert_eq!(
            Order {
                items: vec![],
                ..order()
            }
            .check()
            .unwrap_err()
            .to_string(),
            "order o-1 has no items"
        );
        assert!(matches!(
            Order {
                id: " ".to_owned(),
                ..order()
            }
            .check(),
            Err(InvalidOrder::Name { .. })
        ));
        assert!(matches!(
            Order {
                customer: "c".repeat(2049),
                ..order()
            }
            .check(),
            Err(InvalidOrder::Name { .. })
        ));
    }

    #[test]
    fn sums_beyond_64_bits_do_not_wrap() {
        let line = Line {
            sku: "gold".to_owned(),
            quantity: i64::MAX,
            price: 2,
        };
        let error = Order {
            items: vec![line],
            amount: -2,
            ..order()
        }
        .check()
        .unwrap_err();
        assert!(
            matches!(
                error,
                InvalidOrder::Sum {
                    sum: 18_446_744_073_709_551_614,
                    ..
                }
            ),
            "{error}"
        );
    }
}
