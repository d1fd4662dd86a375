//! Where a service is.

use std::env;

use http::Uri;
use http::uri::Authority;

/// Where a service is, found as AWS's own tools find it: `option`, the value of `--endpoint-url`; else
/// `AWS_ENDPOINT_URL_<SERVICE>`; else `AWS_ENDPOINT_URL`. `None`: none of them is set.
///
/// # Errors
///
/// In one line which variable holds no URL. An empty one is none.
pub fn endpoint_url(service: &str, option: Option<&str>) -> Result<Option<String>, String> {
    find(service, option, |name| env::var(name).ok())
}

fn find(
    service: &str,
    option: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    let names = [format!("AWS_ENDPOINT_URL_{service}"), "AWS_ENDPOINT_URL".to_owned()];
    let mut set = names
        .into_iter()
        .filter_map(|name| Some((variable(&name)?, name)))
        .collect::<Vec<_>>();
    // The SDK panics at it, even if another one has priority.
    if let Some((_, name)) = set.iter().find(|(url, _)| url.is_empty()) {
        return Err(format!(
            "{name} is empty: remove it, or write it as http://127.0.0.1:4566"
        ));
    }
    if let Some(url) = option {
        return Ok(Some(url.to_owned()));
    }
    if set.is_empty() {
        return Ok(None);
    }
    let (url, name) = set.swap_remove(0);
    let url = http_url(&url).map_err(|why| format!("{name} is no URL of a service: {url:?}; {why}"))?;
    Ok(Some(url))
}

/// The URL of a service, without the slash that it may end with.
///
/// # Errors
///
/// How to write it.
pub fn http_url(text: &str) -> Result<String, String> {
    // `Uri` accepts any port, and clients then use the default one.
    let has_port = |authority: &Authority| match authority.as_str().ends_with(authority.host()) {
        true => true,
        false => authority.port_u16().is_some_and(|port| port > 0),
    };
    let is_valid = |url: Uri| {
        let is_http = matches!(url.scheme_str(), Some("http" | "https"));
        is_http && url.query().is_none() && url.authority().is_some_and(has_port)
    };
    match text.parse().is_ok_and(is_valid) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("write it as http://127.0.0.1:4566".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{find, http_url};

    #[test]
    fn an_empty_variable_is_refused() {
        let found = |option, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                variables
                    .iter()
                    .find(|(other, _)| *other == name)
                    .map(|(_, url)| (*url).to_owned())
            };
            find("SQS", option, variable)
        };
        let (all, sqs) = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS");
        assert_eq!(found(None, &[]), Ok(None));
        assert_eq!(
            found(None, &[(all, "http://a"), (sqs, "http://b")]),
            Ok(Some("http://b".to_owned()))
        );
        assert_eq!(
            found(Some("http://c"), &[(all, "http://a")]),
            Ok(Some("http://c".to_owned()))
        );
        for (option, variables) in [
            (None, [(all, ""), (sqs, "http://b")]),
            (None, [(all, "http://a"), (sqs, "")]),
            (Some("http://c"), [(all, ""), (sqs, "http://b")]),
        ] {
            assert!(found(option, &variables).unwrap_err().contains(" is empty: remove it"));
        }
    }

    #[test]
    fn a_url_of_a_service_has_a_scheme_and_no_query() {
        assert_eq!(
            http_url("http://127.0.0.1:4566/"),
            Ok("http://127.0.0.1:4566".to_owned())
        );
        for text in ["127.0.0.1:4566", "ftp://host", "https://host/?a=1", "/path", ""] {
            assert!(http_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_is_a_number_that_a_port_can_have() {
        for text in [
            "http://host",
            "http://[::1]",
            "http://[::1]:4566",
            "http://a:b@host:65535",
        ] {
            assert_eq!(http_url(text).as_deref(), Ok(text));
        }
        for text in [
            "http://host:99999",
            "http://host:0",
            "http://host:port",
            "http://host:",
            "http://[::1]:99999",
        ] {
            assert!(http_url(text).is_err(), "{text}");
        }
    }
}
