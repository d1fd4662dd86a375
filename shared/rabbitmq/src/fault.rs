//! What an error of the broker, or of the way to it, means for the host.

use std::io;
use std::time::Duration;

use consumer::{SourceError, SourceFault};
use lapin::{Error, ErrorKind};

/// Why the broker did not do what was requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Fault {
    pub(crate) means: SourceFault,
    pub(crate) why: String,
}

/// Reply codes that waiting does not help against
/// ([specification](https://www.rabbitmq.com/docs/specification)): access-refused, not-found, precondition-failed, not-allowed,
/// not-implemented.
const REFUSALS: [u16; 5] = [403, 404, 406, 530, 540];
/// The text of a not-found that passes: the node that leads the queue is restarting.
const NODE_DOWN: &str = "down or inaccessible";

impl Fault {
    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self {
            means: SourceFault::Unavailable,
            why: why.into(),
        }
    }

    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self {
            means: SourceFault::Refused,
            why: why.into(),
        }
    }

    /// The broker did not answer within this time.
    pub(crate) fn no_answer(within: Duration) -> Self {
        Self::unavailable(format!("no answer within {} s", within.as_secs()))
    }

    /// The error of a queue.
    pub(crate) fn of_queue(self, name: &str) -> SourceError {
        SourceError {
            queue: name.to_owned(),
            fault: self.means,
            why: Box::new(self),
        }
    }

    /// The same, with what was being done.
    pub(crate) fn during(self, what: &str) -> Self {
        let why = format!("{what}: {}", self.why);
        Self { why, ..self }
    }
}

/// The error of a request. That of a connection which was usable is always [`Fault::lost`].
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let refused = match error.kind() {
            ErrorKind::ProtocolError(reply) => {
                REFUSALS.contains(&reply.get_id()) && !reply.get_message().as_str().contains(NODE_DOWN)
            }
            // An invalid certificate. A broker that speaks no TLS has the same kind.
            ErrorKind::IOError(error) => error.kind() == io::ErrorKind::InvalidData,
            ErrorKind::InvalidProtocolVersion(_) | ErrorKind::AuthProviderError(_) => true,
            _ => false,
        };
        match refused {
            true => Self::refused(error.to_string()),
            false => Self::unavailable(error.to_string()),
        }
    }
}

impl Fault {
    /// A consumer was ended: connect again. What is refused for good, the broker refuses again then.
    pub(crate) fn lost(error: Option<Error>) -> Self {
        let why = error.map(|error| error.to_string());
        Self::unavailable(why.unwrap_or_else(|| "the broker cancelled the consumer: was the queue deleted?".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

    use super::*;

    fn means(kind: impl Into<AMQPErrorKind>, text: &str) -> SourceFault {
        let error: Error = ErrorKind::ProtocolError(AMQPError::new(kind.into(), text.into())).into();
        Fault::from(error).means
    }

    #[test]
    fn what_only_an_operator_can_fix_is_refused() {
        for kind in [
            AMQPSoftError::ACCESSREFUSED,
            AMQPSoftError::NOTFOUND,
            AMQPSoftError::PRECONDITIONFAILED,
        ] {
            assert_eq!(means(kind, "no"), SourceFault::Refused);
        }
        assert_eq!(
            means(AMQPHardError::NOTALLOWED, "vhost not found"),
            SourceFault::Refused
        );
        let certificate = Error::from(io::Error::new(io::ErrorKind::InvalidData, "certificate"));
        assert_eq!(Fault::from(certificate).means, SourceFault::Refused);
    }

    #[test]
    fn what_passes_is_unavailable() {
        assert_eq!(
            means(AMQPHardError::CONNECTIONFORCED, "shutdown"),
            SourceFault::Unavailable
        );
        assert_eq!(
            means(AMQPHardError::INTERNALERROR, "vhost is down"),
            SourceFault::Unavailable
        );
        let down = "home node of durable queue is down or inaccessible";
        assert_eq!(means(AMQPSoftError::NOTFOUND, down), SourceFault::Unavailable);
        let reset = Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(Fault::from(reset).means, SourceFault::Unavailable);
        assert_eq!(Fault::lost(None).means, SourceFault::Unavailable);
    }
}
