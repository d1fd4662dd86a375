//! Every ending, as each platform is answered.

use axum::body::to_bytes;

use super::bench::ALL;
use crate::answer::Ending;

const ENDINGS: [(Ending, [u16; 3]); 7] = [
    // Pub/Sub, Cloud Tasks, Azure Functions.
    (Ending::Acknowledged, [204, 200, 200]),
    (Ending::Retry, [500, 409, 500]),
    (Ending::Unauthorized, [401; 3]),
    (Ending::NoMessage, [400; 3]),
    (Ending::TooLarge, [413; 3]),
    (Ending::Slow, [408; 3]),
    (Ending::NoPost, [405; 3]),
];

#[tokio::test]
async fn every_ending_has_its_answer_on_each_platform() {
    for (ending, statuses) in ENDINGS {
        for (platform, status) in ALL.into_iter().zip(statuses) {
            let answer = platform.answer(ending);
            assert_eq!(answer.status().as_u16(), status, "{platform:?} {ending:?}");
            assert_eq!(answer.status().is_success(), ending == Ending::Acknowledged);
            // They slow down the whole queue of Cloud Tasks.
            assert!(![429, 503].contains(&status));
            let body = to_bytes(answer.into_body(), 100).await.unwrap();
            let body = str::from_utf8(&body).unwrap();
            match platform {
                crate::answer::Platform::AzureFunctions => {
                    assert_eq!(body, r#"{"Outputs":{},"Logs":[],"ReturnValue":null}"#);
                }
                _ => assert_eq!(body, ""),
            }
        }
    }
}
