//! Where a secret is read: from the extension's HTTP server, or from a file.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use host::{SettingError, optional_setting, setting};
use http::{Method, StatusCode};
use http_client::HttpClient;
use serde_json::Value;

use crate::value::SecretValue;

/// Which service has the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    SecretsManager,
    ParameterStore,
}

impl Service {
    /// What it calls a secret.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::SecretsManager => "secret",
            Self::ParameterStore => "parameter",
        }
    }

    fn arn(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::ParameterStore => "ssm",
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager:GetSecretValue",
            Self::ParameterStore => "ssm:GetParameter",
        }
    }

    /// Where the value is in the answer: in one like that of
    /// [GetSecretValue](https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html), or of
    /// [GetParameter](https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html).
    fn value(self) -> &'static str {
        match self {
            Self::SecretsManager => "/SecretString",
            Self::ParameterStore => "/Parameter/Value",
        }
    }

    /// The path of the [extension's server](https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html).
    fn path(self, name: &str) -> String {
        let name = encoded(name);
        match self {
            Self::SecretsManager => format!("secretsmanager/get?secretId={name}"),
            Self::ParameterStore => format!("systemsmanager/parameters/get?name={name}&withDecryption=true"),
        }
    }

    /// Checks the name of a secret: one whose ARN is of the other service is a wrong setting.
    pub(crate) fn check(self, variable: &'static str, name: &str) -> Result<(), SettingError> {
        let Some(service) = name.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(1)) else {
            return Ok(());
        };
        match service == self.arn() {
            true => Ok(()),
            false => Err(SettingError::wrong(
                variable,
                format!("is the ARN of another service than {}: {name:?}", self.arn()),
            )),
        }
    }
}

/// Where secrets are read.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each secret, as long as the process lives"
)]
pub(crate) enum Source {
    Extension(Extension),
    /// A JSON object: names and values.
    File(PathBuf),
    /// The value itself, in a test.
    Fixed(SecretValue),
}

/// The [AWS Parameters and Secrets Lambda extension](https://docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_lambda.html).
pub(crate) struct Extension {
    client: HttpClient,
    token: String,
}

/// Without the token, which is a part of the function's credentials.
impl std::fmt::Debug for Extension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extension").field("client", &self.client).finish()
    }
}

const PORT: &str = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT";

/// The extension's port, unless [`PORT`] states another.
const DEFAULT_PORT: u16 = 2773;

impl Source {
    pub(crate) fn from_env() -> Result<Self, SettingError> {
        if let Some(file) = optional_setting("SECRETS_FILE")? {
            return Ok(Self::File(file.into()));
        }
        let port = optional_setting(PORT)?.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0));
        let port = port.map(|port| port.ok_or_else(|| SettingError::wrong(PORT, "is not a port from 1 to 65535")));
        // Lambda sets it.
        let token = setting("AWS_SESSION_TOKEN")?;
        Extension::new(port.transpose()?.unwrap_or(DEFAULT_PORT), token)
            .map(Self::Extension)
            .map_err(|problem| SettingError::wrong(PORT, problem))
    }

    /// The value, or why it can't be read.
    pub(crate) async fn read(&self, service: Service, name: &Arc<str>) -> Result<SecretValue, String> {
        let value = match self {
            Self::Extension(extension) => extension.read(service, name).await?,
            Self::File(file) => in_file(file, name)?,
            Self::Fixed(value) => return Ok(value.clone()),
        };
        Ok(SecretValue::new(Arc::clone(name), value))
    }
}

impl Extension {
    pub(crate) fn new(port: u16, token: String) -> Result<Self, String> {
        let client = HttpClient::new(&format!("http://localhost:{port}"))?;
        Ok(Self { client, token })
    }

    async fn read(&self, service: Service, name: &str) -> Result<String, String> {
        let call = self.client.request(Method::GET, &service.path(name));
        let answer = call
            .header("X-Aws-Parameters-Secrets-Token", &self.token)
            .answer()
            .await;
        let answer = answer.map_err(|failure| {
            format!("{failure}; check that the function has the layer of the extension. Locally, set SECRETS_FILE")
        })?;
        let status = answer.status();
        if status != StatusCode::OK {
            // The text of the answer is not quoted: which texts there are is not documented.
            let (noun, permission) = (service.noun(), service.permission());
            return Err(format!(
                "the extension answered {status}; check that the {noun} exists in this region, and that the function's role \
                 has {permission}, and kms:Decrypt for a key of your own"
            ));
        }
        let answer: Value = answer.json().map_err(|failure| failure.to_string())?;
        match answer.pointer(service.value()) {
            Some(Value::String(value)) => Ok(value.clone()),
            _ => Err("the extension's answer has no text: a binary secret is not supported".to_owned()),
        }
    }
}

fn in_file(file: &PathBuf, name: &str) -> Result<String, String> {
    let of_file = |problem: String| format!("SECRETS_FILE {} {problem}", file.display());
    let text = fs::read_to_string(file).map_err(|error| of_file(format!("can't be read: {error}")))?;
    let mut values: HashMap<String, String> = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        of_file(format!(
            "is not a JSON object of names and texts (line {line}, column {column})"
        ))
    })?;
    values
        .remove(name)
        .ok_or_else(|| of_file("has no such name".to_owned()))
}

/// Percent-encoded for a query ([RFC 3986, section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)). The extension
/// requires it of the slashes in a parameter's name.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_percent_encoded() {
        assert_eq!(
            Service::ParameterStore.path("/shop/gate way"),
            "systemsmanager/parameters/get?name=%2Fshop%2Fgate%20way&withDecryption=true"
        );
        assert_eq!(
            Service::SecretsManager.path("arn:aws:secretsmanager:eu-west-1:1:secret:ü&a"),
            "secretsmanager/get?secretId=arn%3Aaws%3Asecretsmanager%3Aeu-west-1%3A1%3Asecret%3A%C3%BC%26a"
        );
    }

    #[test]
    fn an_arn_of_another_service_is_a_wrong_setting() {
        let secret = "arn:aws:secretsmanager:eu-west-1:1:secret:gateway-AbCdEf";
        let parameter = "arn:aws:ssm:eu-west-1:1:parameter/gateway";
        let (secrets, parameters) = (Service::SecretsManager, Service::ParameterStore);
        for (service, name) in [(secrets, secret), (secrets, "gateway"), (parameters, parameter)] {
            assert_eq!(service.check("GATEWAY_SECRET", name), Ok(()));
        }
        for (service, name) in [(secrets, parameter), (parameters, secret), (secrets, "arn:aws")] {
            let error = service.check("GATEWAY_SECRET", name);
            assert_eq!(error.is_err(), name != "arn:aws", "{name}");
        }
        assert_eq!(
            secrets.check("GATEWAY_SECRET", parameter).unwrap_err().to_string(),
            format!(
                "environment variable GATEWAY_SECRET is the ARN of another service than secretsmanager: {parameter:?}"
            )
        );
    }

    #[test]
    fn debug_form_of_the_extension_has_no_token() {
        let extension = Extension::new(2773, "sesame".to_owned()).unwrap();
        assert!(!format!("{:?}", Source::Extension(extension)).contains("sesame"));
    }

    #[test]
    fn a_file_is_reported_without_its_values() {
        let folder = std::env::temp_dir().join(format!("secrets-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("secrets.json");
        assert!(in_file(&file, "gateway").unwrap_err().contains("can't be read: "));
        for (text, problem) in [
            ("sesame", "is not a JSON object of names and texts (line 1, column 1)"),
            (
                r#"{"gateway": 1, "a": "sesame"}"#,
                "is not a JSON object of names and texts (line 1, column 13)",
            ),
            (r#"{"other": "sesame"}"#, "has no such name"),
        ] {
            fs::write(&file, text).unwrap();
            let why = in_file(&file, "gateway").unwrap_err();
            assert_eq!(why, format!("SECRETS_FILE {} {problem}", file.display()));
        }
        fs::write(&file, r#"{"gateway": "sesame"}"#).unwrap();
        assert_eq!(in_file(&file, "gateway").as_deref(), Ok("sesame"));
        fs::remove_dir_all(folder).unwrap();
    }
}
