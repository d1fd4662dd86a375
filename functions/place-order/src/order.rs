//! What is ordered, and whether it can be true.

use serde::{Deserialize, Serialize};

/// An order. Money is in minor units (cents).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The producer's name for it: an order that is sent twice is one order.
    pub id: String,
    /// Whose running total it is added to.
    pub customer: String,
    /// What is ordered.
    pub items: Vec<Line>,
    /// The sum of the lines.
    pub amount: i64,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What is ordered (stock keeping unit).
    pub sku: String,
    /// How many; at least one.
    pub quantity: i64,
    /// What one of them costs, in minor units; at least zero.
    pub price: i64,
}

/// Why an order can never be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    /// Without both it can't be recorded, or confirmed.
    #[error("order {id:?}: id and customer must not be blank, and have at most {MAX_KEY_BYTES} bytes")]
    Name {
        /// The order's ID.
        id: String,
    },
    /// Nothing is ordered.
    #[error("order {id} has no items")]
    Empty {
        /// The order's ID.
        id: String,
    },
    /// Less than one of something is ordered.
    #[error("order {id}: quantity of {sku} is {quantity}, must be positive")]
    Quantity {
        /// The order's ID.
        id: String,
        /// The line's.
        sku: String,
        /// The line's.
        quantity: i64,
    },
    /// Something costs less than nothing.
    #[error("order {id}: price of {sku} is {price}, must not be negative")]
    Price {
        /// The order's ID.
        id: String,
        /// The line's.
        sku: String,
        /// The line's, in minor units.
        price: i64,
    },
    /// The producer's sum is not ours.
    #[error("order {id} does not add up: amount is {amount}, its lines make {sum}")]
    Sum {
        /// The order's ID.
        id: String,
        /// What the producer says, in minor units.
        amount: i64,
        /// What the lines make, in minor units: too much for 64 bits, perhaps.
        sum: i128,
    },
}

/// ID and customer are partition keys
/// ([Constraints](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_KEY_BYTES: usize = 2048;

impl Order {
    /// Whether the order makes sense.
    ///
    /// # Errors
    ///
    /// [`InvalidOrder`] names the order and what is wrong with it; it will never be right.
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

    /// The sum of the lines. A line makes less than 2^126, and no message has room for more than 2^16 lines of that kind,
    /// but saturating is cheaper than proving it.
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
    fn an_order_that_adds_up_is_fine() {
        assert_eq!(order().check(), Ok(()));
    }

    #[test]
    fn a_wrong_sum_names_the_order_and_both_sums() {
        let error = Order { amount: 701, ..order() }.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "order o-1 does not add up: amount is 701, its lines make 700"
        );
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
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
    fn sums_beyond_64_bits_are_compared_and_not_wrapped() {
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
