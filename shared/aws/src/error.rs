//! The error that an AWS service returned, in one line.

use std::error::Error;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The service's error code and message (`AccessDeniedException: User is not authorized ...`). Without a response, the SDK's
/// error itself.
pub fn service_error<E, R>(error: SdkError<E, R>) -> Box<dyn Error + Send + Sync>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let service = error.as_service_error().map(ProvideErrorMetadata::meta);
    match service.map(|meta| (meta.code(), meta.message())) {
        Some((Some(code), Some(message))) => format!("{code}: {message}").into(),
        _ => error.into(),
    }
}
