//! The writes of an order to PostgreSQL.

use consumer::Failure;
use idempotency::Refusal;
use postgres::SqlWrite;

use crate::orders::id_taken;
use crate::{Order, Orders};

/// The tables of `schema.sql`, in the database of the ledger.
#[derive(Debug, Clone, Copy)]
pub struct SqlTables;

impl Orders for SqlTables {
    type Write = SqlWrite;

    fn writes(&self, order: &Order) -> Result<Vec<SqlWrite>, Failure> {
        let items = serde_json::to_value(&order.items)?;
        let of_order = |write: SqlWrite| {
            write
                .bind(&*order.id)
                .bind(&*order.customer)
                .bind(items.clone())
                .bind(order.amount)
        };
        let id_taken = id_taken(order);
        Ok(vec![
            of_order(SqlWrite::check(
                "SELECT 1 WHERE NOT EXISTS \
                 (SELECT FROM orders WHERE id = $1 AND (customer, items, amount) IS DISTINCT FROM ($2, $3, $4))",
            ))
            .if_refused(move |_| Refusal::Permanent(id_taken.clone())),
            SqlWrite::check("SELECT 1 WHERE NOT EXISTS (SELECT FROM orders WHERE id = $1)")
                .bind(&*order.id)
                .if_refused(|_| Refusal::AlreadyDone),
            // Another attempt may insert it after the checks: refused, this one is retried, and finds it.
            of_order(SqlWrite::new(
                "INSERT INTO orders (id, customer, items, amount) VALUES ($1, $2, $3, $4)",
            )),
            SqlWrite::new(
                "INSERT INTO customers AS customer (id, total) VALUES ($1, $2) \
                 ON CONFLICT (id) DO UPDATE SET total = customer.total + EXCLUDED.total",
            )
            .bind(&*order.customer)
            .bind(order.amount),
        ])
    }
}
