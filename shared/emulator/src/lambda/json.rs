//! JSON as the body of a response.

use axum::response::IntoResponse;
use serde_json::Value;

pub(super) fn json_body(value: &Value) -> impl IntoResponse + use<> {
    ([("content-type", "application/json")], value.to_string())
}
