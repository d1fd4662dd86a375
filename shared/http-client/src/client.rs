//! A service at one URL.

use std::time::Duration;

use aws::{HttpsClient, https_client};
use host::{SettingError, http_url};
use http::Method;

use crate::call::Call;
use crate::destination::Destination;

/// A service that a handler calls, at one `http` or `https` URL. It keeps connections open between messages.
#[derive(Debug)]
pub struct HttpClient {
    pub(crate) destination: Destination,
    pub(crate) client: HttpsClient,
    pub(crate) timeout: Duration,
}

impl HttpClient {
    /// How long a service may take for its answer, unless [`with_timeout`](Self::with_timeout) states another time.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// The service at the http or https URL in this environment variable. User info in it, percent-encoded
    /// (`https://user:p%40ss@host/`), is sent as `Authorization: Basic`, and appears in no log and no failure.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if it is not set, or is not such a URL. The error does not quote it.
    pub fn from_env(variable: &'static str) -> Result<Self, SettingError> {
        Self::new(&http_url(variable)?).map_err(|problem| SettingError::wrong(variable, problem))
    }

    /// The service at this http or https URL.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, without quoting it.
    pub fn new(url: &str) -> Result<Self, String> {
        Ok(Self {
            destination: Destination::parse(url)?,
            client: https_client(),
            timeout: Self::TIMEOUT,
        })
    }

    /// The same with another time for the head of an answer, and again for its body.
    ///
    /// It must be clearly shorter than the function's `Timeout`, from which the time to record the outcome is reserved.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// A `POST` to the URL itself.
    pub fn post(&self) -> Call<'_> {
        self.request(Method::POST, "")
    }

    /// A request to this path below the URL, such as `charges/ch-1?expand=card`. The caller percent-encodes what needs it.
    ///
    /// An empty path means the URL itself. A query of the URL is kept, before that of the path.
    pub fn request(&self, method: Method, path: &str) -> Call<'_> {
        Call::new(self, method, path)
    }
}
