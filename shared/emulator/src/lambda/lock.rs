//! Locks that survive a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The value, even if a thread died while it held the lock: every update here is one assignment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
