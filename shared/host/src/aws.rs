//! The variables that the AWS SDK reads. It accepts any text in them, and reports it at the first request.

use std::net::IpAddr;

use crate::setting::{SettingError, checked, optional_setting, setting};
use crate::shape;

/// Checks `AWS_REGION`.
///
/// # Errors
///
/// [`SettingError`] if it is not set, or can't be a region's name.
pub fn region() -> Result<(), SettingError> {
    checked(REGION, setting(REGION)?, shape::region).map(drop)
}

const REGION: &str = "AWS_REGION";
const OF_ALL: &str = "AWS_ENDPOINT_URL";
const OF_SQS: &str = "AWS_ENDPOINT_URL_SQS";
const OF_DYNAMODB: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// Checks `AWS_ENDPOINT_URL` and its forms for the services used here.
///
/// # Errors
///
/// [`SettingError`] if one of them is set, but not to an http or https URL. The SDK panics at an empty one, and ignores one that
/// it can't parse.
pub fn endpoints() -> Result<(), SettingError> {
    for variable in [OF_SQS, OF_ALL, OF_DYNAMODB] {
        if std::env::var_os(variable).is_some() {
            checked(variable, setting(variable)?, |value| shape::http_url(value).map(drop))?;
        }
    }
    Ok(())
}

/// The region whose SQS gets all requests, whatever host is in a queue's URL; `None` if another endpoint gets them.
pub(crate) fn sqs_region() -> Result<Option<String>, SettingError> {
    region_without([OF_SQS, OF_ALL])
}

/// The region whose DynamoDB gets all requests; `None` if another endpoint gets them.
pub(crate) fn dynamodb_region() -> Result<Option<String>, SettingError> {
    region_without([OF_DYNAMODB, OF_ALL])
}

/// The region, unless one of these endpoints is set.
fn region_without(endpoints: [&'static str; 2]) -> Result<Option<String>, SettingError> {
    for variable in endpoints {
        if optional_setting(variable)?.is_some() {
            return Ok(None);
        }
    }
    optional_setting(REGION)
}

/// Checks that the variables with keys are set, which Lambda does.
///
/// # Errors
///
/// [`SettingError`] if one of them is not set, or is what no request can carry.
pub fn keys() -> Result<(), SettingError> {
    const ROLE_TOKEN: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
    const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        if optional_setting(variable)?.is_none() && optional_setting(ROLE_TOKEN)?.is_some() {
            let problem = format!(
                "is not set, and IAM roles for service accounts ({ROLE_TOKEN}) are not supported: use EKS Pod Identity"
            );
            return Err(SettingError::wrong(variable, problem));
        }
        checked(variable, setting(variable)?, shape::header)?;
    }
    if let Some(token) = optional_setting(SESSION_TOKEN)? {
        checked(SESSION_TOKEN, token, shape::header)?;
    }
    Ok(())
}

/// Checks the variables that name an endpoint for credentials instead of keys
/// ([container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html)).
///
/// # Errors
///
/// [`SettingError`] if one of them has a value that the AWS SDK can't use. Tokens are not quoted.
pub fn container_credentials() -> Result<(), SettingError> {
    const PATH: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    const URL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    // Even an empty path has priority in the SDK.
    match std::env::var_os(PATH) {
        Some(_) => drop(checked(PATH, setting(PATH)?, credentials_path)?),
        None => drop(checked(URL, setting(URL)?, credentials_url)?),
    }
    if let Some(token) = optional_setting(TOKEN)? {
        checked(TOKEN, token, shape::header)?;
    }
    optional_setting("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(drop)
}

/// The SDK appends it to the URL of the endpoint on ECS, and ignores a host in it.
fn credentials_path(value: &str) -> Result<(), String> {
    let is_path = value.starts_with('/') && shape::http_url(&format!("http://localhost{value}")).is_ok();
    match is_path {
        true => Ok(()),
        false => Err("is not the path of a URL, such as /v2/credentials".to_owned()),
    }
}

/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>: without encryption, only hosts that
/// no other machine can be.
fn credentials_url(value: &str) -> Result<(), String> {
    let url = shape::http_url(value)?;
    let is_local = |ip: IpAddr| {
        ip.is_loopback() || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(&&*ip.to_string())
    };
    match url.is_encrypted || url.host.eq_ignore_ascii_case("localhost") || url.ip().is_some_and(is_local) {
        true => Ok(()),
        false => Err(
            "is the URL of a host that can't give credentials without encryption: use https, or an address of ECS, \
                      EKS Pod Identity or the loopback interface"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_from_https_or_a_local_address() {
        for url in [
            "https://example.com/credentials",
            "http://169.254.170.2/v2/credentials",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2:0::23]/v1/credentials",
            "http://127.0.0.1:8080/2026-01-01/credentials",
            "http://[::1]/",
            "http://LocalHost:8080/",
        ] {
            assert_eq!(credentials_url(url), Ok(()), "{url}");
        }
        for (url, problem) in [
            (
                "169.254.170.23/v1/credentials",
                "is not a URL: it must begin with https://",
            ),
            ("http://169.254.170.23:0/", "is not a URL: its port"),
            ("http://169.254.170.3/", "without encryption"),
            ("http://[fd00:ec2::24]/", "without encryption"),
            ("http://example.com/", "without encryption"),
        ] {
            let why = credentials_url(url).unwrap_err();
            assert!(why.contains(problem), "{url}: {why}");
        }
    }

    #[test]
    fn relative_uri_is_a_path() {
        assert_eq!(credentials_path("/v2/credentials/1?a=b"), Ok(()));
        for wrong in [
            "v2/credentials",
            "http://169.254.170.2/v2",
            "/v2\n/credentials",
            "/{id}",
        ] {
            let why = credentials_path(wrong).unwrap_err();
            assert_eq!(why, "is not the path of a URL, such as /v2/credentials");
        }
    }
}
