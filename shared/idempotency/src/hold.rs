//! By what right an attempt settles a key.

use crate::{Attempt, Timestamp};

/// A granted claim. Completing, releasing or rejecting consumes it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a lease that is dropped keeps its key until it ends"]
pub struct Lease {
    attempt: Attempt,
}

impl Lease {
    pub(crate) fn of(attempt: Attempt) -> Self {
        Self { attempt }
    }

    /// The attempt that was granted.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// When the lease ends.
    pub fn end(&self) -> Timestamp {
        self.attempt.lease_end()
    }

    pub(crate) fn extended_to(&mut self, attempt: Attempt) {
        self.attempt = attempt;
    }
}

/// By what right an attempt settles a key: under the lease it was granted, or without a claim, if the key is free.
///
/// An attempt without a claim commits in one step: its record is written under the condition of a claim.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a lease that is dropped keeps its key until it ends"]
pub enum Hold {
    /// The key was claimed.
    Lease(Lease),
    /// It was not.
    Unclaimed(Attempt),
}

impl Hold {
    /// The attempt that settles the key.
    pub fn attempt(&self) -> &Attempt {
        match self {
            Self::Lease(lease) => lease.attempt(),
            Self::Unclaimed(attempt) => attempt,
        }
    }
}

impl From<Lease> for Hold {
    fn from(lease: Lease) -> Self {
        Self::Lease(lease)
    }
}

impl From<Attempt> for Hold {
    fn from(attempt: Attempt) -> Self {
        Self::Unclaimed(attempt)
    }
}
