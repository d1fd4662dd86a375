//! URLs of receivers, endpoints and queues.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The parts of an http or https URL that can be checked further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpUrl<'a> {
    /// Whether it is https.
    pub(crate) is_encrypted: bool,
    /// Without port, user info and brackets.
    pub(crate) host: &'a str,
    /// With query and fragment.
    path: &'a str,
}

impl HttpUrl<'_> {
    /// The host as an address, if it is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// An http or https URL with a host and, perhaps, a port that can exist. `http::Uri` accepts any port, and clients then use
/// the default one.
pub(crate) fn http_url(value: &str) -> Result<HttpUrl<'_>, String> {
    parse(value).map_err(|problem| format!("is not a URL: {problem}"))
}

fn parse(value: &str) -> Result<HttpUrl<'_>, &'static str> {
    if value.starts_with(['"', '\'']) {
        return Err("it is in quotation marks: remove them");
    }
    let (is_encrypted, rest) = scheme(value).ok_or("it must begin with https:// or http://")?;
    if value.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err("it contains white space or control characters");
    }
    if value.contains(['"', '<', '>', '\\', '`', '{', '}']) {
        return Err("it contains quotes, braces, or other characters that must be percent-encoded");
    }
    let before_query = rest.split('?').next().unwrap_or_default();
    if before_query.split(',').skip(1).any(|next| scheme(next).is_some()) {
        return Err("it is a list of URLs, and only one is supported");
    }
    if scheme(rest).is_some() {
        return Err("it begins with two schemes");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if is_cut_password(authority, path) {
        return Err("an @ is in its path, query or fragment: write it as %40, and / ? # in a password as %2F %3F %23");
    }
    let address = match authority.rsplit_once('@') {
        Some(("" | ":", _)) => return Err("the user info before its @ is empty"),
        Some((_, address)) => address,
        None => authority,
    };
    Ok(HttpUrl {
        is_encrypted,
        host: host(address)?,
        path,
    })
}

/// Whether a password seems to contain the `/`, `?` or `#` that ends the authority: an `@` follows that would have ended it.
///
/// What follows the colon may also be a port. Then only an `@` within a segment of the path counts.
fn is_cut_password(authority: &str, path: &str) -> bool {
    let Some((_, after_colon)) = authority.rsplit_once(':').filter(|_| !authority.contains('@')) else {
        return false;
    };
    if !after_colon.parse::<u16>().is_ok_and(|port| port > 0) {
        return path.contains('@');
    }
    let only_path = path.split(['?', '#']).next().unwrap_or_default();
    let segments = only_path.split('/');
    let mut parts = segments.filter_map(|segment| segment.split_once('@'));
    parts.any(|(before, after)| !before.is_empty() && !after.is_empty())
}

/// Whether the scheme is https, and what follows it.
fn scheme(value: &str) -> Option<(bool, &str)> {
    let after = |scheme: &str| {
        let (start, rest) = value.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let https = after("https://").map(|rest| (true, rest));
    https.or_else(|| after("http://").map(|rest| (false, rest)))
}

/// The host of `host` or `host:port`.
fn host(address: &str) -> Result<&str, &'static str> {
    const NO_IPV6: &str = "the host in its brackets is not an IPv6 address";
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(NO_IPV6)?;
            host.parse::<Ipv6Addr>().map_err(|_| NO_IPV6)?;
            (host, port)
        }
        None => {
            let (host, port) = address.split_at(address.find(':').unwrap_or(address.len()));
            named(host)?;
            (host, port)
        }
    };
    // `parse` accepts a sign.
    let is_port = |port: &str| !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port > 0);
    match port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
        true => Ok(host),
        false => Err("its port is not a number from 1 to 65535"),
    }
}

/// Whether a host is a name ([RFC 1123, section 2.1](https://www.rfc-editor.org/rfc/rfc1123#section-2.1)) or an IPv4 address.
/// Underscores are not in that standard, but names of containers have them.
fn named(host: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // The root's dot may end it.
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if host.is_empty() {
        Err("it has no host")
    } else if !host.bytes().all(allowed) {
        Err(
            "its host has characters other than a-z, A-Z, 0-9, '-', '_' and '.' (names in other scripts begin with xn--)",
        )
    } else if name.len() > 253 || !name.split('.').all(is_label) {
        Err("its host is not a name: between dots, 1 to 63 characters that neither begin nor end with '-', 253 in all")
    } else if name.split('.').next_back().is_some_and(is_number) && name.parse::<Ipv4Addr>().is_err() {
        Err("its host is not an IPv4 address, such as 127.0.0.1")
    } else {
        Ok(())
    }
}

/// Whether this is the URL of a queue: `https://sqs.<region>.amazonaws.com/<account>/<name>`, or of another endpoint with
/// account and name in its path
/// ([queue URLs](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html)).
///
/// `region`: where the SDK sends requests, whatever the URL's host is; `None` if that is another endpoint than AWS.
pub(crate) fn queue_url(value: &str, region: Option<&str>) -> Result<(), String> {
    if value.starts_with("arn:") {
        return Err(format!(
            "is not a queue URL but an ARN, {value:?}: use !Ref of the queue instead of !GetAtt Arn"
        ));
    }
    if is_queue_name(value) {
        return Err(format!(
            "is not a queue URL but a queue's name, {value:?}: use !Ref of the queue, or `aws sqs get-queue-url`"
        ));
    }
    let url = parse(value).map_err(|problem| format!("is not a queue URL: {problem}"))?;
    if value.contains(['?', '#', '@']) {
        return Err("is not a queue URL: it has a query, a fragment or user info".to_owned());
    }
    let mut segments = url.path.split('/').rev();
    let (name, account) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    if !is_queue_name(name) || account.is_empty() || !url.path.bytes().all(is_of_path) {
        return Err(
            "is not a queue URL: it must end with account and queue name, such as /111122223333/orders".to_owned(),
        );
    }
    let host = url.host.to_ascii_lowercase();
    match (service(&host), region) {
        // Without a region, another endpoint gets the requests, and the host plays no part.
        (Service::OfNoAws, _) | (_, None) => Ok(()),
        (Service::Other, _) => Err(format!(
            "is not a queue URL: {host} is an endpoint of AWS, but not of SQS"
        )),
        (Service::Sqs { .. }, _) if url.path != format!("/{account}/{name}") || !is_account(account) => Err(
            "is not a queue URL: its path must be account (digits) and queue name, such as /111122223333/orders"
                .to_owned(),
        ),
        (Service::Sqs { region: other }, Some(region)) if region != other => Err(format!(
            "is the URL of a queue in {other}, but requests are sent to SQS in {region}, which AWS_REGION states: use a \
             queue there"
        )),
        (Service::Sqs { .. }, _) => Ok(()),
    }
}

/// Whose endpoint a host is.
enum Service<'a> {
    Sqs {
        region: &'a str,
    },
    /// Another service of AWS.
    Other,
    /// Not one of AWS's own endpoints. A load balancer or a virtual machine there may have an emulator.
    OfNoAws,
}

/// The domains of AWS's endpoints; of those of SQS, see
/// [endpoints](https://docs.aws.amazon.com/general/latest/gr/sqs-service.html): with FIPS, dual-stack and legacy ones.
const AWS: [&str; 9] = [
    ".amazonaws.com",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
    ".amazonaws.com.cn",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
];

fn service(host: &str) -> Service<'_> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let Some(name) = AWS.into_iter().find_map(|domain| host.strip_suffix(domain)) else {
        return Service::OfNoAws;
    };
    let labels: Vec<&str> = name.split('.').collect();
    match *labels {
        ["queue"] => Service::Sqs { region: "us-east-1" },
        ["sqs" | "sqs-fips", region] | [region, "queue"] => Service::Sqs { region },
        [endpoint, "sqs" | "sqs-fips", region, "vpce"] if endpoint.starts_with("vpce-") => Service::Sqs { region },
        [_] | [_, _, _, "vpce"] => Service::Other,
        [_, region] if is_region(region) => Service::Other,
        _ => Service::OfNoAws,
    }
}

/// Unlike the `compute-1` of a virtual machine.
fn is_region(label: &str) -> bool {
    label.split('-').count() >= 3 && label.ends_with(|last: char| last.is_ascii_digit())
}

fn is_account(segment: &str) -> bool {
    (1..=12).contains(&segment.len()) && segment.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~')
}

/// Up to 80 letters, digits, hyphens and underscores; the suffix `.fifo` is part of them
/// ([CreateQueue](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html)).
fn is_queue_name(name: &str) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !stem.is_empty() && name.len() <= 80 && stem.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS_URL: &str = "https://sqs.eu-central-1.amazonaws.com";

    #[test]
    fn urls_of_hosts_that_can_exist_are_accepted() {
        for (url, host) in [
            ("https://example.com", "example.com"),
            ("HTTP://Example.com.:65535?a=https://b,https://c", "Example.com."),
            ("http://my_receiver:8080/o'clock;a,b?c='d'#e", "my_receiver"),
            ("https://us%20er:p@ss:1@example.com/notify", "example.com"),
            ("https://:secret@10.0.0.1/", "10.0.0.1"),
            ("http://[::1]:4566/1/q", "::1"),
            ("https://example.com/@ada?to=a@b", "example.com"),
            ("https://ada:1@example.com:8443/@ada", "example.com"),
            ("https://example.com:8443/notify?to=ada@example.com", "example.com"),
            ("http://example.com:9000/@ada", "example.com"),
            ("https://xn--n-eha.example/https://other.example/", "xn--n-eha.example"),
        ] {
            assert_eq!(http_url(url).map(|url| url.host), Ok(host), "{url}");
        }
    }

    #[test]
    fn hosts_and_ports_that_cannot_exist_are_refused() {
        let longest = format!("https://{}/", vec!["a".repeat(63); 5].join("."));
        let label = format!("https://{}.example/", "a".repeat(64));
        for (url, problem) in [
            ("https://", "no host"),
            ("https://:443/notify", "no host"),
            ("https://example.com:/notify", "its port"),
            ("https://example.com:0/", "its port"),
            ("https://example.com:+80/", "its port"),
            ("https://example.com:84433/", "its port"),
            ("https://example.com:port/", "its port"),
            ("https://example.com:80:80/", "its port"),
            ("https://::1/", "no host"),
            ("http://[::1/1/q", "in its brackets"),
            ("http://[127.0.0.1]/1/q", "in its brackets"),
            ("http://[::1]4566/", "its port"),
            ("http://[::1]:99999/", "its port"),
            ("https://a..b/", "its host is not a name"),
            ("https://./", "its host is not a name"),
            ("https://-bad-.com/", "its host is not a name"),
            (&longest, "its host is not a name"),
            (&label, "its host is not a name"),
            ("https://\u{fc}n\u{ef}.example/", "its host has characters"),
            ("https://%41/", "its host has characters"),
            ("https://a,b/", "its host has characters"),
            ("https://1.2.3.4.5/", "an IPv4 address"),
            ("https://10.0.0.256/", "an IPv4 address"),
            ("https://https://example.com/", "two schemes"),
            ("https://HTTP://example.com/", "two schemes"),
            ("https://a.example/x,https://b.example/y", "a list of URLs"),
            ("https://a.example,http://b.example", "a list of URLs"),
            ("https://@example.com/", "user info before its @"),
            ("https://:@example.com/", "user info before its @"),
            ("https://example.com/{id}", "must be percent-encoded"),
            ("https://ada:sec/ret@example.com/", "in a password as %2F"),
            ("https://ada:sec?ret@example.com/", "in a password as %2F"),
            ("https://ada:sec#ret@example.com/", "in a password as %2F"),
            ("https://ada:1234/secret@example.com/", "in a password as %2F"),
        ] {
            let why = http_url(url).unwrap_err();
            assert!(
                why.starts_with("is not a URL: ") && why.contains(problem),
                "{url}: {why}"
            );
        }
    }

    #[test]
    fn queue_urls_of_aws_and_of_other_endpoints_are_accepted() {
        for url in [
            "https://sqs.eu-central-1.amazonaws.com/111122223333/orders",
            "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/orders.fifo",
            "https://sqs-fips.us-gov-west-1.amazonaws.com/111122223333/orders",
            "https://sqs.eu-central-1.api.aws/111122223333/orders",
            "https://vpce-0a-1b-us-east-1a.sqs.us-east-1.vpce.amazonaws.com/111122223333/orders",
            "https://queue.amazonaws.com/111122223333/orders",
            "https://eu-west-1.queue.amazonaws.com/111122223333/orders",
            "https://sqs.us-iso-east-1.c2s.ic.gov/111122223333/orders",
            "http://127.0.0.1:4566/000000000000/orders",
            "http://[::1]:4566/000000000000/orders",
            "http://localhost:4566/queue/us-east-1/000000000000/orders",
            "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/orders",
            "http://ec2-1-2-3-4.compute-1.amazonaws.com:4566/queue/orders",
            "http://sqs-1.eu-central-1.elb.amazonaws.com:9324/queue/orders",
            "HTTPS://SQS.eu-central-1.amazonaws.com/111122223333/Orders_2-a",
        ] {
            assert_eq!(queue_url(url, None), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_queue_url_is_named_for_what_it_is() {
        for (value, problem) in [
            (
                "arn:aws:sqs:eu-central-1:111122223333:orders",
                "but an ARN, \"arn:aws:sqs:",
            ),
            ("orders", "but a queue's name, \"orders\""),
            ("orders.fifo", "but a queue's name"),
            (
                "sqs.eu-central-1.amazonaws.com/111122223333/orders",
                "must begin with https://",
            ),
            ("ftp://example.com/1/orders", "must begin with https://"),
            (
                "https:/sqs.eu-central-1.amazonaws.com/1/orders",
                "must begin with https://",
            ),
            (
                "\"https://sqs.eu-central-1.amazonaws.com/1/orders\"",
                "in quotation marks",
            ),
            ("https://", "has no host"),
            ("https:///111122223333/orders", "has no host"),
            (
                "https://https://sqs.eu-central-1.amazonaws.com/111122223333/orders",
                "two schemes",
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com:99999/111122223333/orders",
                "its port",
            ),
            (
                "https://example.com/1/orders,https://example.com/1/others",
                "a list of URLs",
            ),
            ("https://a:b@sqs.eu-central-1.amazonaws.com/1/orders", "user info"),
            ("https://sqs.eu-central-1.amazonaws.com/1/or ders", "white space"),
            (
                "https://sqs.${AWS::Region}.amazonaws.com/1/orders",
                "must be percent-encoded",
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com/1/orders\\n",
                "must be percent-encoded",
            ),
        ] {
            let why = queue_url(value, None).unwrap_err();
            assert!(
                why.starts_with("is not a queue URL") && why.contains(problem),
                "{value}: {why}"
            );
        }
    }

    #[test]
    fn path_of_a_queue_url_ends_with_account_and_name() {
        for (path, problem) in [
            ("", "it must end with"),
            ("/orders", "it must end with"),
            ("/111122223333/", "it must end with"),
            ("/111122223333/orders/", "it must end with"),
            ("/111122223333/a.b", "it must end with"),
            ("/https://example.com/111122223333/orders", "it must end with"),
            ("/111122223333/orders?Action=x", "has a query"),
            ("/1111-2222-3333/orders", "account (digits)"),
            ("/1111222233334/orders", "account (digits)"),
            ("/orders/orders", "account (digits)"),
            ("/queue/111122223333/orders", "account (digits)"),
        ] {
            let url = format!("{AWS_URL}{path}");
            let why = queue_url(&url, Some("eu-central-1")).unwrap_err();
            assert!(
                why.starts_with("is not a queue URL") && why.contains(problem),
                "{path}: {why}"
            );
        }
    }

    #[test]
    fn endpoint_of_another_service_of_aws_is_refused() {
        for host in [
            "dynamodb.us-east-1.amazonaws.com",
            "sqs.amazonaws.com",
            "dynamodb.us-east-1.api.aws",
            "vpce-0a-1b.execute-api.us-east-1.vpce.amazonaws.com",
        ] {
            let url = format!("https://{host}/111122223333/orders");
            // With another endpoint, which gets the requests, the host plays no part.
            assert_eq!(queue_url(&url, None), Ok(()));
            let why = queue_url(&url, Some("us-east-1")).unwrap_err();
            let expected = format!("is not a queue URL: {host} is an endpoint of AWS, but not of SQS");
            assert_eq!(why, expected);
        }
    }

    /// `aws-sdk-sqs` finds the endpoint without the queue's URL.
    #[test]
    fn queue_of_another_region_is_refused() {
        for (host, region) in [
            ("sqs.eu-west-1.amazonaws.com", "eu-west-1"),
            ("queue.amazonaws.com", "us-east-1"),
            ("us-west-2.queue.amazonaws.com", "us-west-2"),
            ("vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ] {
            let url = format!("https://{host}/111122223333/orders");
            assert_eq!(queue_url(&url, Some(region)), Ok(()));
            let why = queue_url(&url, Some("eu-central-1")).unwrap_err();
            let expected = format!("is the URL of a queue in {region}, but requests are sent to SQS in eu-central-1, ");
            assert!(why.starts_with(&expected), "{why}");
        }
        assert_eq!(
            queue_url("http://127.0.0.1:1/000000000000/orders", Some("local")),
            Ok(())
        );
    }
}
