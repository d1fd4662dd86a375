//! A storage account, as the URLs of its queues name it.

use http::uri::{Authority, Scheme};

/// Where an account's queues are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// `/NAME` for an emulator, which has the account in its paths; else empty.
    pub(crate) path: String,
}

impl Account {
    pub(crate) fn new(scheme: &Scheme, authority: &Authority, name: &str, is_in_path: bool) -> Self {
        Self {
            name: name.to_owned(),
            origin: format!("{scheme}://{authority}"),
            path: if is_in_path { format!("/{name}") } else { String::new() },
        }
    }

    pub(crate) fn queue_url(&self, queue: &str) -> String {
        format!("{}{}/{queue}", self.origin, self.path)
    }

    /// Whether this is an account of Azure, not one of an emulator. Only there an access token is sent.
    pub(crate) fn is_of_azure(&self) -> bool {
        self.path.is_empty()
    }
}
