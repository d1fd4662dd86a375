//! What an unfinished handler hands back.

use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

type Cause = Box<dyn Error + Send + Sync>;

/// Why the work of a message was not done, and what is to become of it.
///
/// Any error converts to a retry, so that `?` does the careful thing. (That is why `Failure` is no `Error` itself.)
#[derive(Debug)]
pub struct Failure {
    pub(crate) fate: Fate,
    pub(crate) cause: Cause,
}

/// What is to become of a message whose work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Retry,
    RetryAfter(Duration),
    Permanent,
}

impl Failure {
    /// It may succeed at the next delivery, which comes after a [random time](crate::RetryDelays) that grows with each receive.
    pub fn retry(cause: impl Into<Cause>) -> Self {
        Self {
            fate: Fate::Retry,
            cause: cause.into(),
        }
    }

    /// It may succeed, but not before this much time has passed; at most 11 hours and 40 minutes, for SQS hides a message no
    /// longer than 12 hours from its receipt.
    pub fn retry_after(delay: Duration, cause: impl Into<Cause>) -> Self {
        Self {
            fate: Fate::RetryAfter(delay),
            cause: cause.into(),
        }
    }

    /// It can never succeed: the message goes to the dead-letter queue at once, with this reason, if one is configured.
    ///
    /// Later deliveries are rejected for the same reason, in claim-then-complete mode without running the handler.
    pub fn permanent(cause: impl Into<Cause>) -> Self {
        Self {
            fate: Fate::Permanent,
            cause: cause.into(),
        }
    }

    /// Whether the failure is permanent.
    pub fn is_permanent(&self) -> bool {
        self.fate == Fate::Permanent
    }

    /// The time that has to pass before another attempt, if it was stated.
    pub fn delay(&self) -> Option<Duration> {
        match self.fate {
            Fate::RetryAfter(delay) => Some(delay),
            Fate::Retry | Fate::Permanent => None,
        }
    }
}

/// A reason is kept in a record and in the log: neither has room for a whole message that somebody quotes in it.
const LONGEST_REASON_BYTES: usize = 1024;

/// The cause and all its sources, in one line, cut after 1,024 bytes.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = Chain(&*self.cause).to_string();
        let cut = whole.floor_char_boundary(LONGEST_REASON_BYTES);
        write!(f, "{}{}", &whole[..cut], if cut < whole.len() { "..." } else { "" })
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

/// An error and its sources in one line, outermost first.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_is_a_retry_and_keeps_its_whole_chain() {
        #[derive(Debug, thiserror::Error)]
        #[error("saving failed")]
        struct Outer(#[source] std::num::ParseIntError);

        let failure = Failure::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(failure.fate, Fate::Retry);
        assert_eq!(failure.to_string(), "saving failed: invalid digit found in string");
    }

    #[test]
    fn a_reason_is_cut_before_it_outgrows_its_record() {
        let failure = Failure::permanent("ü".repeat(400_000));
        assert_eq!(failure.to_string(), format!("{}...", "ü".repeat(512)));
    }

    #[test]
    fn a_stated_delay_is_kept() {
        let failure = Failure::retry_after(Duration::from_secs(7), "busy");
        assert_eq!(
            (failure.delay(), failure.is_permanent()),
            (Some(Duration::from_secs(7)), false)
        );
    }
}
