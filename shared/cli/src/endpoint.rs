//! Where a service is.

use std::env;

use http::Uri;

/// Where a service is, found as AWS's own tools find it: `option`, the value of `--endpoint-url`; else
/// `AWS_ENDPOINT_URL_<SERVICE>`; else `AWS_ENDPOINT_URL`. `None`: none of them is set.
///
/// # Errors
///
/// In one line which variable holds no URL.
pub fn endpoint_url(service: &str, option: Option<&str>) -> Result<Option<String>, String> {
    if let Some(url) = option {
        return Ok(Some(url.to_owned()));
    }
    let mut variables = [format!("AWS_ENDPOINT_URL_{service}"), "AWS_ENDPOINT_URL".to_owned()].into_iter();
    let set = variables.find_map(|name| Some((env::var(&name).ok().filter(|url| !url.is_empty())?, name)));
    let Some((url, name)) = set else {
        return Ok(None);
    };
    let url = http_url(&url).map_err(|why| format!("{name} is no URL of a service: {url:?}; {why}"))?;
    Ok(Some(url))
}

/// The URL of a service, without the slash that it may end with.
///
/// # Errors
///
/// How to write it.
pub fn http_url(text: &str) -> Result<String, String> {
    let is_valid = |url: Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.query().is_none();
    match text.parse().is_ok_and(is_valid) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("write it as http://127.0.0.1:4566".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::http_url;

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
}
