//! Who may call, and what else is refused before anything is read.

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use cloud_tasks::Unverified;
use futures_util::stream;

use super::bench::{ALL, Bench, Options, request, script};
use crate::access::Access;
use crate::answer::{Ending, Platform};

/// Knows one token; another time the keys can't be loaded.
pub(super) fn known() -> Access {
    Access::Token(Box::new(|token| {
        Box::pin(async move {
            match token.as_str() {
                "known" => Ok(()),
                "later" => Err(Unverified::Unavailable("no keys".to_owned())),
                _ => Err(Unverified::Refused("its signature is wrong".to_owned())),
            }
        })
    }))
}

fn bench(platform: Platform) -> Bench {
    let options = Options {
        access: known(),
        ..Options::of(platform)
    };
    options.start()
}

#[tokio::test(start_paused = true)]
async fn an_unknown_caller_is_refused_before_anything_is_read() {
    for platform in [Platform::PubSub, Platform::CloudTasks] {
        for (authorization, expected) in [
            (None, Ending::Unauthorized),
            (Some("Bearer other"), Ending::Unauthorized),
            (Some("Basic known"), Ending::Unauthorized),
            (Some("Bearer later"), Ending::Retry),
        ] {
            let bench = bench(platform);
            let (mut head, _) = request(platform, "m-1", 1, "").into_parts();
            if let Some(value) = authorization {
                head.headers.insert("authorization", value.parse().unwrap());
            }
            let unread = stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
                panic!("the body was read")
            });
            let request = Request::from_parts(head, Body::from_stream(unread));
            assert_eq!(
                bench.send(request).await,
                platform.status(expected),
                "{authorization:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_caller_is_served() {
    for platform in [Platform::PubSub, Platform::CloudTasks] {
        let bench = bench(platform);
        let mut request = request(platform, "m-1", 1, &script(10, &["done"]));
        request
            .headers_mut()
            .insert("authorization", "Bearer known".parse().unwrap());
        assert_eq!(bench.send(request).await, platform.status(Ending::Acknowledged));
        assert_eq!(bench.ended(), ["m-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn only_post_carries_a_message() {
    for platform in ALL {
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"] {
            let bench = Bench::new(platform);
            let mut request = request(platform, "m-1", 1, &script(10, &["done"]));
            *request.method_mut() = method.parse().unwrap();
            assert_eq!(bench.send(request).await, StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(bench.begun(), 0);
        }
    }
}
