//! A service's URL, without the secrets that it may contain.

use aws_smithy_types::base64;
use http::header::AUTHORIZATION;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};

/// Where requests are sent, and by what right.
#[derive(Debug)]
pub(crate) struct Destination {
    /// Without user info.
    url: Uri,
    /// `Basic`, from the URL's user info ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)). Marked as sensitive: its Debug
    /// form hides it.
    authorization: Option<HeaderValue>,
}

impl Destination {
    /// The service at this http or https URL.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, without quoting it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("is not a URL: {error}");
        let url: Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(&error))?;
        let mut parts = url.into_parts();
        let authority = parts.authority.take().map(|authority| authority.as_str().to_owned());
        let authority = authority.unwrap_or_default();
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority.as_str()),
        };
        parts.authority = Some(Authority::try_from(host).map_err(|error| wrong(&error))?);
        Ok(Self {
            authorization: user_info.map(basic).transpose()?,
            url: Uri::from_parts(parts).map_err(|error| wrong(&error))?,
        })
    }

    /// The URL of this path below the service's URL; of the service itself if it is empty.
    ///
    /// # Errors
    ///
    /// The path can't be part of a URL. It is not quoted.
    pub(crate) fn url(&self, path: &str) -> Result<Uri, String> {
        if path.is_empty() {
            return Ok(self.url.clone());
        }
        let wrong = "its path has characters that a URL can't have: percent-encode them";
        // The parser would drop a fragment, and send the request to another resource.
        if path.contains('#') {
            return Err(wrong.to_owned());
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let queries = [self.url.query().unwrap_or_default(), query];
        let queries: Vec<_> = queries.into_iter().filter(|query| !query.is_empty()).collect();
        let mut whole = self.url.path().to_owned();
        if !path.is_empty() {
            whole = format!("{}/{}", whole.trim_end_matches('/'), path.trim_start_matches('/'));
        }
        if !queries.is_empty() {
            whole = format!("{whole}?{}", queries.join("&"));
        }
        let mut parts = self.url.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(whole).map_err(|_| wrong)?);
        Uri::from_parts(parts).map_err(|error| format!("its path can't be part of a URL: {error}"))
    }

    /// The request with the service's credentials, if it has some.
    pub(crate) fn authorize<B>(&self, mut request: Request<B>) -> Request<B> {
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        request
    }

    /// Host and port, for a log: path and query may contain secrets.
    pub(crate) fn address(&self) -> String {
        let default = if self.url.scheme() == Some(&Scheme::HTTPS) {
            443
        } else {
            80
        };
        let port = self.url.port_u16().unwrap_or(default);
        format!("{}:{port}", self.url.host().unwrap_or_default())
    }
}

/// `Basic` credentials. Without a colon the password is empty.
fn basic(user_info: &str) -> Result<HeaderValue, String> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut credentials = decoded(user)?;
    if credentials.contains(&b':') {
        return Err("has a user name with a colon, which `Authorization: Basic` can't carry".to_owned());
    }
    credentials.push(b':');
    credentials.extend(decoded(password)?);
    let mut value = HeaderValue::try_from(format!("Basic {}", base64::encode(credentials)))
        .map_err(|_| "has user info that no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Percent-decoded ([RFC 3986, section 2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1)).
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.ok_or("has user info with a % that two hexadecimal digits don't follow: write % as %25")?;
        bytes.push(byte);
        bytes.extend(&part.as_bytes()[2..]);
    }
    match bytes.iter().any(u8::is_ascii_control) {
        true => Err("has user info with control characters, which `Authorization: Basic` can't carry".to_owned()),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(url: &str) -> Option<String> {
        let destination = Destination::parse(url).unwrap();
        let request = destination.authorize(Request::new(()));
        let value = request.headers().get(AUTHORIZATION)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn address_is_host_and_port_only() {
        for (url, address) in [
            ("https://ada:secret@example.com/secret?token=secret", "example.com:443"),
            ("http://example.com", "example.com:80"),
            ("https://[::1]:8443/secret", "[::1]:8443"),
        ] {
            assert_eq!(Destination::parse(url).unwrap().address(), address);
        }
    }

    #[test]
    fn path_is_appended_to_the_path_of_the_url() {
        for (url, path, expected) in [
            ("https://example.com", "charges", "https://example.com/charges"),
            ("https://example.com/v1", "charges", "https://example.com/v1/charges"),
            ("https://example.com/v1/", "/charges", "https://example.com/v1/charges"),
            (
                "https://example.com/v1?a=b",
                "charges?c=d",
                "https://example.com/v1/charges?a=b&c=d",
            ),
            (
                "https://example.com/v1?a=b",
                "charges",
                "https://example.com/v1/charges?a=b",
            ),
            ("https://example.com/v1?a=b", "", "https://example.com/v1?a=b"),
            ("https://example.com/v1", "?c=d", "https://example.com/v1?c=d"),
            (
                "https://ada:secret@example.com/",
                "@evil.com",
                "https://example.com/@evil.com",
            ),
        ] {
            let url = Destination::parse(url).unwrap().url(path).unwrap();
            assert_eq!(url, expected, "{path}");
        }
    }

    #[test]
    fn path_that_no_url_can_have_is_refused() {
        let destination = Destination::parse("https://example.com/").unwrap();
        for path in ["a b", "a\nb", "\u{0}", "a#b", "#", "a?b#c"] {
            assert!(
                destination.url(path).unwrap_err().contains("percent-encode"),
                "{path:?}"
            );
        }
    }

    /// The first pair is the example of RFC 7617, section 2.
    #[test]
    fn user_info_becomes_basic_authorization() {
        for (user_info, credentials) in [
            ("Aladdin:open%20sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("Aladdin:open:sesame", "QWxhZGRpbjpvcGVuOnNlc2FtZQ=="),
            ("ada", "YWRhOg=="),
            ("ada:", "YWRhOg=="),
            (":secret", "OnNlY3JldA=="),
            ("test:123%C2%A3", "dGVzdDoxMjPCow=="),
            ("ada:p%40ss%25", "YWRhOnBAc3Ml"),
        ] {
            let url = format!("https://{user_info}@example.com:8443/notify?a=b");
            assert_eq!(authorization(&url), Some(format!("Basic {credentials}")), "{user_info}");
        }
        assert_eq!(authorization("https://example.com/a@b"), None);
    }

    #[test]
    fn credentials_are_in_no_url_and_no_debug_text() {
        let destination = Destination::parse("https://ada:secret@example.com:8443/notify?a=b").unwrap();
        assert_eq!(destination.url("").unwrap(), "https://example.com:8443/notify?a=b");
        let shown = format!("{destination:?}");
        assert!(!shown.contains("ada") && !shown.contains("YWRh"), "{shown}");
    }

    #[test]
    fn wrong_user_info_is_refused_without_quoting_it() {
        for url in [
            "https://ada:100%@example.com/",
            "https://ada:secret%zz@example.com/",
            "https://ad%3Aa:secret@example.com/",
            "https://ada:secret%0D%0A@example.com/",
            "https://ada%00:secret@example.com/",
            "https://ada:secret@/",
        ] {
            let problem = Destination::parse(url).unwrap_err();
            assert!(!problem.contains("ada") && !problem.contains("secret"), "{problem}");
        }
    }
}
