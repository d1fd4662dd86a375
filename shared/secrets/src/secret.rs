//! A secret by its name: read when it is needed, and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use consumer::Failure;
use host::{SettingError, setting};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::source::{Extension, Service, Source};
use crate::value::SecretValue;

/// A secret that a handler needs. It is read at the first message, and again when its value is old.
///
/// It is a field of the handler, so that all messages share the value.
#[derive(Debug)]
pub struct Secret {
    service: Service,
    name: Arc<str>,
    source: Source,
    /// Held while the secret is read: concurrent readers make one call.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    value: Option<(SecretValue, Instant)>,
    failure: Option<(String, Instant)>,
}

impl Secret {
    /// How long a value is used before it is read again: as long as the extension itself keeps one by default.
    pub const MAX_AGE: Duration = Duration::from_secs(300);

    /// A value that is younger is not read again: a service that refuses each message must not cause a call for each.
    pub const MIN_AGE: Duration = Duration::from_secs(10);

    /// The secret of AWS Secrets Manager whose name or ARN is in this environment variable. Nothing is read yet: the extension
    /// does not answer before the first invocation.
    ///
    /// # Errors
    ///
    /// [`SettingError`]: the variable is not set, or has an ARN of another service; or a variable of the extension is wrong.
    pub fn from_env(variable: &'static str) -> Result<Self, SettingError> {
        Self::of(Service::SecretsManager, variable)
    }

    /// The parameter of Systems Manager Parameter Store whose name or ARN is in this environment variable. A `SecureString` is
    /// decrypted.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn parameter_from_env(variable: &'static str) -> Result<Self, SettingError> {
        Self::of(Service::ParameterStore, variable)
    }

    fn of(service: Service, variable: &'static str) -> Result<Self, SettingError> {
        let name = setting(variable)?;
        service.check(variable, &name)?;
        Ok(Self::new(service, &name, Source::from_env()?))
    }

    /// A secret with this value, for a test.
    pub fn fixed(value: &str) -> Self {
        let name = "fixed";
        let source = Source::Fixed(SecretValue::new(name.into(), value));
        Self::new(Service::SecretsManager, name, source)
    }

    /// The secret of this name, from a server like the extension's at this port of the machine, for a test.
    ///
    /// # Errors
    ///
    /// Why there is no such server.
    #[doc(hidden)]
    pub fn at_port(name: &str, port: u16, token: &str) -> Result<Self, String> {
        let (service, name) = match name.strip_prefix("ssm:") {
            Some(name) => (Service::ParameterStore, name),
            None => (Service::SecretsManager, name),
        };
        let extension = Extension::new(port, token.to_owned())?;
        Ok(Self::new(service, name, Source::Extension(extension)))
    }

    fn new(service: Service, name: &str, source: Source) -> Self {
        Self {
            service,
            name: name.into(),
            source,
            state: Mutex::default(),
        }
    }

    /// The value, at most [`MAX_AGE`](Self::MAX_AGE) old. If an old one can't be read again, the cached value is used, with a warning
    /// in the log: the service that it is for decides whether it is still valid.
    ///
    /// # Errors
    ///
    /// A retry that names the secret: it was never read, and can't be read now.
    pub async fn get(&self) -> Result<SecretValue, Failure> {
        let requested = Instant::now();
        let mut state = self.state.lock().await;
        let Some((value, read)) = state.value.clone() else {
            return self.read(&mut state, requested).await.map_err(Failure::retry);
        };
        if read.elapsed() < Self::MAX_AGE || state.failure_within(Self::MIN_AGE).is_some() {
            return Ok(value);
        }
        match self.read(&mut state, requested).await {
            Ok(value) => Ok(value),
            Err(why) => {
                tracing::warn!("the cached value is used: {why}");
                Ok(value)
            }
        }
    }

    /// The value again, after a service refused `stale`: it may have been rotated.
    ///
    /// Returns the kept value if it is another one already, or is younger than [`MIN_AGE`](Self::MIN_AGE).
    ///
    /// # Errors
    ///
    /// A retry that names the secret: it can't be read now, or could not less than [`MIN_AGE`](Self::MIN_AGE) ago.
    pub async fn refresh(&self, stale: &SecretValue) -> Result<SecretValue, Failure> {
        let requested = Instant::now();
        let mut state = self.state.lock().await;
        match &state.value {
            Some((value, read)) if value != stale || read.elapsed() < Self::MIN_AGE => return Ok(value.clone()),
            _ => {}
        }
        match state.failure_within(Self::MIN_AGE) {
            Some(why) => Err(Failure::retry(why.to_owned())),
            None => self.read(&mut state, requested).await.map_err(Failure::retry),
        }
    }

    /// Reads the value, unless another reader has failed since this one began to wait.
    async fn read(&self, state: &mut State, requested: Instant) -> Result<SecretValue, String> {
        if let Some((why, failed)) = &state.failure
            && *failed >= requested
        {
            return Err(why.clone());
        }
        match self.source.read(self.service, &self.name).await {
            Ok(value) => {
                let read = Instant::now();
                *state = State {
                    value: Some((value.clone(), read)),
                    failure: None,
                };
                Ok(value)
            }
            Err(problem) => {
                let why = format!("{} {:?} can't be read: {problem}", self.service.noun(), self.name);
                state.failure = Some((why.clone(), Instant::now()));
                Err(why)
            }
        }
    }
}

impl State {
    /// Why the last read failed, if that was less than this time ago.
    fn failure_within(&self, time: Duration) -> Option<&str> {
        let (why, failed) = self.failure.as_ref()?;
        (failed.elapsed() < time).then_some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fixed_secret_has_its_value() {
        let secret = Secret::fixed("sesame");
        let value = secret.get().await.unwrap();
        assert_eq!(value.expose(), "sesame");
        assert_eq!(secret.refresh(&value).await.unwrap(), value);
        assert!(!format!("{secret:?}").contains("sesame"));
    }
}
