//! What an unfinished handler returns.

use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::reason::{self, Reason};

type Cause = Box<dyn Error + Send + Sync>;

/// Why the work of a message was not done, and what happens to the message.
///
/// Any error converts to a retry, so `?` loses no message. (For this conversion, `Failure` is no `Error` itself.)
#[derive(Debug)]
pub struct Failure {
    pub(crate) kind: Kind,
    pub(crate) cause: Cause,
    code: Option<String>,
}

/// What happens to a message whose work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Retry,
    RetryAfter(Duration),
    Permanent,
}

impl Failure {
    /// It may succeed at the next delivery. The [delay](crate::RetryDelays) until then is random and grows with each receive.
    pub fn retry(cause: impl Into<Cause>) -> Self {
        Self::of(Kind::Retry, cause.into())
    }

    /// It may succeed, but not before this delay has passed.
    ///
    /// At most 11 hours and 40 minutes on SQS, whose visibility timeout ends 12 hours after the receive.
    pub fn retry_after(delay: Duration, cause: impl Into<Cause>) -> Self {
        Self::of(Kind::RetryAfter(delay), cause.into())
    }

    /// It can never succeed: the message goes to the dead-letter queue, if one is configured, at once and with this reason.
    ///
    /// Later deliveries are rejected with the same reason; in claim-then-complete mode the handler does not run again.
    pub fn permanent(cause: impl Into<Cause>) -> Self {
        Self::of(Kind::Permanent, cause.into())
    }

    fn of(kind: Kind, cause: Cause) -> Self {
        Self {
            kind,
            cause,
            code: None,
        }
    }

    /// States a code that all failures of this cause have in common, such as `card-declined`. `operator dlq list` groups dead
    /// letters by it, and log lines have it as a field.
    ///
    /// Up to 64 ASCII letters, digits, `-`, `_` and `.`: any other character becomes a `-`, and a longer code is cut. An empty
    /// one is none. Never put an identifier into it: it is the same for all messages, so it is part of the program's text.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self {
            code: reason::code(code),
            ..self
        }
    }

    /// The reason, as records, dead letters and log lines state it.
    pub(crate) fn reason(&self) -> Reason {
        Reason {
            text: self.to_string(),
            code: self.code.clone(),
        }
    }

    /// Whether the failure is permanent.
    pub fn is_permanent(&self) -> bool {
        self.kind == Kind::Permanent
    }

    /// The delay before another attempt, if the handler stated one.
    pub fn delay(&self) -> Option<Duration> {
        match self.kind {
            Kind::RetryAfter(delay) => Some(delay),
            Kind::Retry | Kind::Permanent => None,
        }
    }
}

/// A reason is stored in a record and in the log. Neither has room for a reason that quotes a whole message.
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
        assert_eq!(failure.kind, Kind::Retry);
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
