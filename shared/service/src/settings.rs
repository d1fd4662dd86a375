//! Settings that all long-lived hosts have.

use std::num::{NonZeroU32, NonZeroUsize};

use consumer::{CONCURRENCY, Queues, Services};
use host::{SettingError, max_receive_count, number, optional_setting, record_retention, retry_delays};
use idempotency::{DEFAULT_RETENTION, Store};

/// How many messages are in process at a time, unless it is set.
pub const DEFAULT_CONCURRENCY: NonZeroUsize = match NonZeroUsize::new(CONCURRENCY) {
    Some(concurrency) => concurrency,
    None => NonZeroUsize::MIN,
};

/// The value of `CONCURRENCY`: how many messages are in process at a time.
///
/// # Errors
///
/// [`SettingError`] if it is not a whole number from 1 to 10,000.
pub fn concurrency(default: NonZeroUsize) -> Result<NonZeroUsize, SettingError> {
    let concurrency = number("CONCURRENCY", 1, 10_000)?.and_then(|number| usize::try_from(number).ok());
    Ok(concurrency.and_then(NonZeroUsize::new).unwrap_or(default))
}

/// A setting that is `true` or `false`; `false` unless it is set.
///
/// # Errors
///
/// [`SettingError`] if it is something else.
pub fn flag(name: &'static str) -> Result<bool, SettingError> {
    match optional_setting(name)?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(SettingError::wrong(
            name,
            format!("is neither true nor false, but {other:?}"),
        )),
    }
}

/// What the handler is given, besides its messages. `receives`: how often its queue delivers a message at most, unless
/// `MAX_RECEIVE_COUNT` states it.
///
/// # Errors
///
/// [`SettingError`] if a setting is invalid.
pub fn services<S: Store, Q: Queues>(
    store: S,
    queues: Q,
    dead_letter_queue: Option<String>,
    receives: Option<NonZeroU32>,
) -> Result<Services<S, Q>, SettingError> {
    let services = Services::new(store, queues)
        .with_retry_delays(retry_delays()?)
        .with_retention(record_retention()?.unwrap_or(DEFAULT_RETENTION));
    let services = match max_receive_count()?.or(receives) {
        Some(receives) => services.with_max_receive_count(receives),
        None => services,
    };
    Ok(match dead_letter_queue {
        Some(url) => services.with_dead_letter_queue(url),
        None => services,
    })
}
