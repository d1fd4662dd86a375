//! Error texts, in one line.

use std::env;
use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use cli::{causes, innermost};

/// An error and its innermost cause. The SDK's errors state the reason only there.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", innermost(cause)),
        None => error.to_string(),
    }
}

/// The error that the service at `endpoint` returned for `what`, such as `queue orders`; or why the request was not sent or
/// not answered.
pub(crate) fn describe<E>(what: &str, error: &SdkError<E>, endpoint: &str) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error, error.code()) {
        (_, Some(code)) => format!("{what}: {code}: {}", error.message().unwrap_or_default()),
        // Of any server: that of the service, or one that credentials are fetched from.
        (SdkError::DispatchFailure(_), _) if innermost(error).is::<aws::CertificateError>() => {
            format!("{what}: {}", innermost(error))
        }
        (SdkError::DispatchFailure(_), _) if causes(error).any(|cause| cause.is::<CredentialsError>()) => {
            no_credentials(&innermost(error).to_string())
        }
        // Neither network nor timeout: nothing was sent, for example because settings contradict each other.
        (SdkError::DispatchFailure(failure), _) if failure.is_other() => format!("{what}: {}", innermost(error)),
        (SdkError::DispatchFailure(_) | SdkError::TimeoutError(_), _) => {
            format!("no answer from {endpoint}: {}", innermost(error))
        }
        _ => format!("{what}: {}", chain(error)),
    }
}

fn no_credentials(why: &str) -> String {
    // After a search in several places the reason has a line for each; none of them helps.
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
