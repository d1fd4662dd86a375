//! The state of the process, for what supervises it: systemd, or the service control manager of Windows.
//!
//! Both have the same functions. A process has one of them.

#[cfg(windows)]
mod scm;
#[cfg(any(windows, test))]
mod status;
#[cfg(unix)]
mod systemd;

#[cfg(windows)]
pub use scm::{Watchdog, ready, stopping};
#[cfg(windows)]
pub(crate) use scm::{ended, is_service, start, started, stop_requested};
#[cfg(unix)]
pub use systemd::{Watchdog, ready, stopping};
#[cfg(unix)]
pub(crate) use systemd::{ended, is_service, started};
