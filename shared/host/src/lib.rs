#![doc = include_str!("../README.md")]

mod aws;
mod logging;
mod metrics;
mod need;
mod setting;
mod shape;

pub use aws::{container_credentials, endpoints, keys, region};
pub use logging::{print, start_logging, start_logging_to, start_logging_with};
pub use metrics::metrics_lines;
pub use need::{Need, needs, sql_table};
pub use setting::{
    PolledQueue, SettingError, accept_queues, dead_letter_queue, http_url, max_receive_count, number, optional_setting,
    polled_queue, queue, queue_url, record_retention, request_timeout, retry_delays, setting, table,
};
