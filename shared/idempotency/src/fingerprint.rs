//! What makes two payloads the same.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The fingerprint of a payload, 64 hexadecimal digits: the same for JSON that differs only in the order of names and
/// in white space. Numbers beyond 64 bits count as the nearest double.
///
/// # Errors
///
/// The payload can't be written as JSON.
pub fn fingerprint(payload: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut payload = serde_json::to_value(payload)?;
    // Whether serde_json's maps are sorted depends on a feature that any crate in the build can turn on.
    payload.sort_all_objects();
    Ok(hex::encode(Sha256::digest(Value::to_string(&payload))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> String {
        fingerprint(&serde_json::from_str::<Value>(json).unwrap()).unwrap()
    }

    #[test]
    fn the_order_of_names_and_white_space_do_not_count() {
        assert_eq!(
            of(r#"{"a":1,"b":{"c":2,"d":3}}"#),
            of(r#"{ "b": {"d": 3, "c": 2}, "a": 1 }"#)
        );
    }

    #[test]
    fn values_and_the_order_of_lists_do() {
        let all = [
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":[2,1]}"#,
            r#"{"b":1}"#,
        ];
        let fingerprints: std::collections::HashSet<_> = all.map(of).into();
        assert_eq!(fingerprints.len(), all.len());
    }
}
