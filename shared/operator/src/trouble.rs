//! What went wrong, in one line.

use std::env;
use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use cli::{causes, innermost};

/// An error and what caused it. Of the SDK's errors only what lies at the bottom is of use to the reader.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", innermost(cause)),
        None => error.to_string(),
    }
}

/// What a service at this place says of `what`, such as `queue orders`, or why it was not asked, or gave no answer.
pub(crate) fn told<E>(what: &str, error: &SdkError<E>, place: &str) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error, error.code()) {
        (_, Some(code)) => format!("{what}: {code}: {}", error.message().unwrap_or_default()),
        (SdkError::DispatchFailure(_), _) if causes(error).any(|cause| cause.is::<CredentialsError>()) => {
            no_credentials(&innermost(error).to_string())
        }
        // Neither the network nor the time: nothing was sent, such as for settings that contradict each other.
        (SdkError::DispatchFailure(failure), _) if failure.is_other() => format!("{what}: {}", innermost(error)),
        (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), _) => {
            format!("no answer from {place}: {}", innermost(error))
        }
        _ => format!("{what}: {}", chain(error)),
    }
}

fn no_credentials(why: &str) -> String {
    // Of several places that were searched it says in several lines what none of them has.
    let why = if why.contains('\n') {
        String::new()
    } else {
        format!(" ({why})")
    };
    match env::var("AWS_PROFILE").ok().filter(|profile| !profile.is_empty()) {
        Some(profile) => format!(
            "no credentials of profile {profile}: sign in with `aws sso login --profile {profile}`, or set AWS_PROFILE to \
             another{why}"
        ),
        None => format!("no credentials: sign in with `aws sso login`, or set AWS_PROFILE{why}"),
    }
}
