//! Credentials of requests.

use std::fmt;
use std::sync::Arc;

use crate::AzureQueueUrl;
use crate::identity::{Endpoint, ManagedIdentity};
use crate::shared_key::SharedKey;

/// The variable of a connection string, as of the Azure CLI.
const CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";
/// The account of emulators, and its key, which is no secret
/// ([Azurite](https://learn.microsoft.com/azure/storage/common/storage-connect-azurite#well-known-storage-account-and-key)).
const DEVELOPMENT: (&str, &str) = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
);

/// Credentials of requests to queues. Their secrets are not shown by `Debug`.
#[derive(Clone)]
pub struct Credentials(pub(crate) Right);

#[derive(Clone)]
pub(crate) enum Right {
    /// A SAS token, as a query.
    Sas(Arc<str>),
    SharedKey(SharedKey),
    Identity(Arc<ManagedIdentity>),
}

/// Why there are no credentials. No secret is quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCredentials(String);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Right::Sas(_) => "Credentials(SAS token)",
            Right::SharedKey(_) => "Credentials(Shared Key)",
            Right::Identity(_) => "Credentials(managed identity)",
        })
    }
}

impl Credentials {
    /// The first of these that exists: the SAS token in the URL's query; the connection string in the environment variable
    /// `AZURE_STORAGE_CONNECTION_STRING`; for an account of Azure, the managed identity of the process.
    ///
    /// The identity is that of `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`, which App Service, Functions and Container Apps set, or
    /// that of the virtual machine. `AZURE_CLIENT_ID` selects one that was assigned by a user.
    ///
    /// # Errors
    ///
    /// [`InvalidCredentials`] if the connection string is malformed or of another account, or an emulator has none.
    pub fn from_env(url: &AzureQueueUrl) -> Result<Self, InvalidCredentials> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::of(url, variable)
    }

    fn of(url: &AzureQueueUrl, variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidCredentials> {
        if let Some(sas) = &url.sas {
            return Ok(Self(Right::Sas(sas.as_str().into())));
        }
        if let Some(text) = variable(CONNECTION_STRING) {
            return Self::of_connection_string(&text, url);
        }
        if !url.account.is_of_azure() {
            return Err(InvalidCredentials(format!(
                "an emulator has no managed identity: set {CONNECTION_STRING}, for Azurite to UseDevelopmentStorage=true"
            )));
        }
        let endpoint = match (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
            (Some(url), Some(header)) => Endpoint::Service { url, header },
            _ => Endpoint::VirtualMachine,
        };
        let identity = ManagedIdentity::new(endpoint, variable("AZURE_CLIENT_ID"));
        Ok(Self(Right::Identity(Arc::new(identity))))
    }

    /// Pairs of name and value, separated by semicolons
    /// ([connection strings](https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string)).
    fn of_connection_string(text: &str, url: &AzureQueueUrl) -> Result<Self, InvalidCredentials> {
        let wrong = |what: String| InvalidCredentials(format!("environment variable {CONNECTION_STRING}: {what}"));
        let pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
        let value = |wanted: &str| pairs.clone().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let value = |wanted| value(wanted).map(|(_, value)| value).filter(|value| !value.is_empty());
        let of_emulator = value("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let development = |value| of_emulator.then_some(value);
        if let Some(sas) = value("SharedAccessSignature") {
            let endpoint = value("QueueEndpoint").map(|endpoint| endpoint.trim_end_matches('/'));
            return match endpoint == Some(url.account.queue_url("").trim_end_matches('/')) {
                true => Ok(Self(Right::Sas(sas.trim_start_matches('?').into()))),
                false => Err(wrong(format!("its QueueEndpoint is not that of {url}"))),
            };
        }
        let name = value("AccountName").or(development(DEVELOPMENT.0));
        let key = value("AccountKey").or(development(DEVELOPMENT.1));
        let (Some(name), Some(key)) = (name, key) else {
            return Err(wrong(
                "it has no AccountName with AccountKey, and no SharedAccessSignature".to_owned(),
            ));
        };
        let account = &url.account.name;
        if name != account {
            let what = format!("it is of account {name:?}, but the queue's URL is of {account:?}");
            return Err(wrong(format!(
                "{what}: use the connection string of the queue's account"
            )));
        }
        let key = SharedKey::new(name, key)
            .ok_or_else(|| wrong("its AccountKey is not Base64: is it cut off?".to_owned()))?;
        Ok(Self(Right::SharedKey(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AZURE: &str = "https://shop.queue.core.windows.net/orders";

    fn of(url: &str, variables: &[(&str, &str)]) -> Result<Credentials, InvalidCredentials> {
        Credentials::of(&url.parse().unwrap(), |name| {
            let variable = variables.iter().find(|(variable, _)| *variable == name);
            variable.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_url_has_priority_over_the_environment() {
        let string = (CONNECTION_STRING, "AccountName=shop;AccountKey=c2VjcmV0");
        let right = |url: &str, variables: &[_]| format!("{:?}", of(url, variables).unwrap());
        assert_eq!(
            right(&format!("{AZURE}?sv=1&sig=x"), &[string]),
            "Credentials(SAS token)"
        );
        assert_eq!(right(AZURE, &[string]), "Credentials(Shared Key)");
        assert_eq!(right(AZURE, &[]), "Credentials(managed identity)");
        let sas = (
            CONNECTION_STRING,
            "QueueEndpoint=https://shop.queue.core.windows.net/;SharedAccessSignature=?sv=1&sig=a=",
        );
        match of(AZURE, &[sas]).unwrap().0 {
            Right::Sas(sas) => assert_eq!(&*sas, "sv=1&sig=a="),
            _ => panic!("a SAS token"),
        }
        let azurite = "http://127.0.0.1:1/devstoreaccount1/orders";
        assert_eq!(
            right(azurite, &[(CONNECTION_STRING, "UseDevelopmentStorage=true")]),
            "Credentials(Shared Key)"
        );
    }

    #[test]
    fn what_is_wrong_is_named_without_the_key() {
        let azurite = "http://127.0.0.1:1/devstoreaccount1/orders";
        for (url, string, problem) in [
            (AZURE, "secret", "no AccountName with AccountKey"),
            (AZURE, "AccountName=shop", "no AccountName with AccountKey"),
            (AZURE, "AccountName=shop;AccountKey=s?cret", "not Base64"),
            (
                AZURE,
                "AccountName=bank;AccountKey=c2VjcmV0",
                "is of account \"bank\", but the queue's URL is of \"shop\"",
            ),
            (
                AZURE,
                "SharedAccessSignature=sig=s3cret",
                "its QueueEndpoint is not that of https://shop",
            ),
            (
                AZURE,
                "QueueEndpoint=https://bank.queue.core.windows.net/;SharedAccessSignature=sig=s3cret",
                "is not that of https://shop",
            ),
            (azurite, "", "UseDevelopmentStorage=true"),
        ] {
            let variables: &[_] = if string.is_empty() {
                &[]
            } else {
                &[(CONNECTION_STRING, string)]
            };
            let why = of(url, variables).unwrap_err().to_string();
            assert!(why.contains(problem) && !why.contains("cret"), "{why}");
        }
    }
}
