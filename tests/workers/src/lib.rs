//! What the programs `workers` and `hosts` share: a database for each scenario, a proxy that cuts connections and loses replies,
//! and orders with the promises about them.

mod database;
mod orders;
mod promises;
mod proxy;

pub use database::{Database, Found, found_in};
pub use orders::{Orders, body, customer, subject};
pub use promises::{orders_hold, same};
pub use proxy::{Line, Loss, Proxy};

/// Why a scenario did not hold.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;
