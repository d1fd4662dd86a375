#![doc = include_str!("../README.md")]

mod logging;
mod metrics;
mod setting;

pub use logging::{print, start_logging};
pub use metrics::metrics_line;
pub use setting::{
    SettingError, dead_letter_queue, optional_setting, record_retention, request_timeout, retry_delays, setting,
};
