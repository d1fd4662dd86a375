//! Consumed capacity, as `ReturnConsumedCapacity` asks for it.
//!
//! Rules: [Capacity unit consumption](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html).

use serde_json::{Value, json};

use super::request::Request;
use crate::ApiError;

/// What a request wants to know about its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    None,
    Total,
    Detailed,
}

impl Report {
    pub(super) fn read(request: &Request<'_>) -> Result<Self, ApiError> {
        Ok(
            match request.one_of("ReturnConsumedCapacity", &["INDEXES", "TOTAL", "NONE"])? {
                Some("TOTAL") => Self::Total,
                Some("INDEXES") => Self::Detailed,
                _ => Self::None,
            },
        )
    }

    /// The `ConsumedCapacity` of one table, `None` if nobody asked.
    pub(super) fn of(self, table: &str, units: f64) -> Option<Value> {
        match self {
            Self::None => None,
            Self::Total => Some(json!({ "TableName": table, "CapacityUnits": units })),
            Self::Detailed => {
                Some(json!({ "TableName": table, "CapacityUnits": units, "Table": { "CapacityUnits": units } }))
            }
        }
    }
}

/// A unit for each KiB begun, and at least one.
pub(super) fn write_units(bytes: usize) -> f64 {
    units(bytes, 1024)
}

/// A unit for each 4 KiB begun and at least one; half of that if the read needn't be consistent.
pub(super) fn read_units(bytes: usize, consistent: bool) -> f64 {
    units(bytes, 4096) * if consistent { 1.0 } else { 0.5 }
}

fn units(bytes: usize, step: usize) -> f64 {
    f64::from(u32::try_from(bytes.div_ceil(step)).unwrap_or(u32::MAX).max(1))
}
