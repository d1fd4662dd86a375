//! What the status of an answer means for the message.

use std::time::{Duration, SystemTime};

use consumer::Failure;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// The failure of a message by status, `None` for 2xx; the page of this crate has it as a table.
///
/// A permanent failure is one of this request: the service would refuse it however often it is sent. A status that is about
/// our access, about the service's deployment or about this moment says nothing of the request. A key rotation or a deployment
/// would otherwise dead-letter all messages at once; so they are retried within the receive count.
pub(crate) fn failure(address: &str, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Failure> {
    if status.is_success() {
        return None;
    }
    let answer = format!("{address} answered {status}");
    let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    Some(match retry_after(headers, now) {
        Some(delay) if busy => Failure::retry_after(delay, answer),
        _ if is_about_the_request(status) => Failure::permanent(answer),
        _ => Failure::retry(answer),
    })
}

/// Whether the status refuses this request itself: its format, its length, its meaning.
///
/// These are [registered](https://www.iana.org/assignments/http-status-codes) client errors. The others are about our access
/// (401, 402, 403, 407), about what is deployed at the URL (404, 405, 410, 421, 426), or about the moment (408, 409, 423, 424,
/// 425, 429). A service answers 409 while it processes an earlier attempt with the same key
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header>, section 2.7). Codes that are not
/// registered are mostly about sessions, certificates and connections, such as 419, 495 and 499.
fn is_about_the_request(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        400 | 406 | 411 | 412 | 413 | 414 | 415 | 416 | 417 | 418 | 422 | 428 | 431 | 451
    )
}

/// `Retry-After` in either of its forms: seconds or a date
/// ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#field.retry-after)).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value)
            .ok()
            .map(|date| date.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure_of(status: u16, retry_after: Option<&str>) -> Option<Failure> {
        let headers = retry_after.map(|value| (RETRY_AFTER, value.parse().unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        let headers = headers.into_iter().collect();
        failure("example.com:443", status, &headers, SystemTime::now())
    }

    #[test]
    fn every_2xx_is_no_failure() {
        assert!(failure_of(200, None).is_none() && failure_of(204, Some("7")).is_none());
    }

    #[test]
    fn failure_names_host_and_status() {
        let failure = failure_of(404, None).unwrap();
        assert_eq!(failure.to_string(), "example.com:443 answered 404 Not Found");
    }

    #[test]
    fn busy_answer_with_retry_after_is_retried_at_that_time() {
        for status in [429, 503] {
            assert_eq!(
                failure_of(status, Some("7")).unwrap().delay(),
                Some(Duration::from_secs(7))
            );
        }
    }

    #[test]
    fn busy_answer_without_retry_after_is_a_retry() {
        for (status, header) in [(429, None), (503, None), (503, Some("soon"))] {
            let failure = failure_of(status, header).unwrap();
            assert_eq!((failure.is_permanent(), failure.delay()), (false, None));
        }
    }

    #[test]
    fn status_about_the_request_is_a_permanent_failure() {
        for status in [400, 406, 411, 412, 413, 414, 415, 416, 417, 418, 422, 428, 431, 451] {
            assert!(failure_of(status, Some("7")).unwrap().is_permanent(), "{status}");
        }
    }

    #[test]
    fn status_about_access_deployment_or_moment_is_a_retry() {
        let client = [401, 402, 403, 404, 405, 407, 408, 409, 410, 421, 423, 424, 425, 426];
        // Not registered: session expired, login timeout, certificate required, invalid token, connection closed.
        let unregistered = [419, 440, 495, 496, 498, 499];
        let others = [100, 301, 302, 308, 500, 501, 502, 504, 520];
        for status in client.into_iter().chain(unregistered).chain(others) {
            let failure = failure_of(status, Some("7")).unwrap();
            assert!(!failure.is_permanent() && failure.delay().is_none(), "{status}");
        }
    }

    #[test]
    fn retry_after_is_a_date_or_seconds_and_never_negative() {
        let headers = |date: &str| HeaderMap::from_iter([(RETRY_AFTER, date.parse().unwrap())]);
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let later = retry_after(&headers("Sun, 06 Nov 1994 08:50:37 GMT"), now);
        assert_eq!(later, Some(Duration::from_secs(60)));
        assert_eq!(
            retry_after(&headers("Sun, 06 Nov 1994 08:00:00 GMT"), now),
            Some(Duration::ZERO)
        );
    }
}
