#![doc = include_str!("../README.md")]

mod logging;
mod metrics;
mod setting;
mod shape;

pub use logging::{print, start_logging};
pub use metrics::metrics_line;
pub use setting::{
    SettingError, dead_letter_queue, endpoints, http_url, optional_setting, queue_url, record_retention,
    request_timeout, retry_delays, setting, table,
};
