//! What transactions with a `ClientRequestToken` were answered.
//!
//! dynoxide would remember it as well, but reads all that it remembers at each transaction: after 20,000 of them it takes half
//! of the time.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::ApiError;

/// How long a transaction can be repeated, see
/// [TransactWriteItems](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#DDB-TransactWriteItems-request-ClientRequestToken).
const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// AWS's limit.
const LONGEST: usize = 36;

/// The transactions of the last ten minutes by their tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    answered: HashMap<String, Answered>,
    /// In the order in which they are forgotten.
    order: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct Answered {
    items: u64,
    answer: Value,
}

/// The token of a request that is answered from here. Others are dynoxide's: those with a token that it refuses, and those
/// whose answer has to state capacity, which is another for a repetition.
pub(super) fn token(request: &Value) -> Option<&str> {
    let stated = ["ReturnConsumedCapacity", "ReturnItemCollectionMetrics"];
    let token = request["ClientRequestToken"].as_str()?;
    let is_plain = stated.iter().all(|name| request.get(name).is_none());
    (is_plain && (1..=LONGEST).contains(&token.len())).then_some(token)
}

impl Tokens {
    /// Answers a request with a [`token`]: as before if it is a repetition, else by applying it. A refused one can be tried again.
    pub(super) fn answer(
        &mut self,
        token: &str,
        request: &Value,
        apply: impl FnOnce(&Value) -> Result<Value, ApiError>,
    ) -> Result<Value, ApiError> {
        let now = Instant::now();
        while let Some((_, token)) = self.order.pop_front_if(|(at, _)| *at + INTERVAL <= now) {
            self.answered.remove(&token);
        }
        let items = hash(&request["TransactItems"]);
        if let Some(answered) = self.answered.get(token) {
            return if answered.items == items {
                Ok(answered.answer.clone())
            } else {
                Err(mismatch())
            };
        }
        let mut once = request.clone();
        if let Some(members) = once.as_object_mut() {
            members.remove("ClientRequestToken");
        }
        let answer = apply(&once)?;
        self.order.push_back((now, token.to_owned()));
        let answered = Answered {
            items,
            answer: answer.clone(),
        };
        self.answered.insert(token.to_owned(), answered);
        Ok(answer)
    }
}

fn hash(items: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    items.to_string().hash(&mut hasher);
    hasher.finish()
}

fn mismatch() -> ApiError {
    ApiError::bad_request(
        "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",
        "The request has the ClientRequestToken of another request with other parameters.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(tokens: &mut Tokens, token: &str, applied: &mut u32) {
        let request = json!({ "ClientRequestToken": token, "TransactItems": [] });
        let answered = tokens.answer(token, &request, |once| {
            assert_eq!(once.get("ClientRequestToken"), None);
            *applied += 1;
            Ok(json!({}))
        });
        assert_eq!(answered, Ok(json!({})));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_ten_minutes_and_no_longer() {
        let (mut tokens, mut applied) = (Tokens::default(), 0);
        answer(&mut tokens, "first", &mut applied);
        tokio::time::advance(INTERVAL - Duration::from_millis(1)).await;
        answer(&mut tokens, "first", &mut applied);
        answer(&mut tokens, "second", &mut applied);
        assert_eq!((applied, tokens.answered.len(), tokens.order.len()), (2, 2, 2));
        tokio::time::advance(Duration::from_millis(1)).await;
        answer(&mut tokens, "third", &mut applied);
        assert_eq!((applied, tokens.answered.len(), tokens.order.len()), (3, 2, 2));
        assert!(!tokens.answered.contains_key("first"));
    }

    #[test]
    fn requests_that_state_capacity_or_have_a_long_token_are_passed_on() {
        let request = |more: Value| {
            let mut request = json!({ "ClientRequestToken": "t", "TransactItems": [] });
            request
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            request
        };
        assert_eq!(token(&request(json!({}))), Some("t"));
        assert_eq!(token(&request(json!({ "ReturnConsumedCapacity": "TOTAL" }))), None);
        assert_eq!(token(&request(json!({ "ClientRequestToken": "t".repeat(37) }))), None);
        assert_eq!(token(&json!({ "TransactItems": [] })), None);
    }
}
