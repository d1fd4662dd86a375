//! What makes two messages the same work.

use sha2::{Digest, Sha256};

/// DynamoDB's limit for a partition key, in bytes
/// ([Constraints](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_RECORD_ID_BYTES: usize = 2048;

/// Begins the key part of a record ID that holds a hash, and no other's.
const HASHED: &str = "sha256:";

/// What makes two messages the same work, within a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    record_id: String,
}

/// A key that messages with nothing in common would share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The message states no key: without one it can't be distinguished from others.
    #[error("the idempotency key is empty")]
    Empty,
    /// The namespace is empty, longer than 255 bytes, or contains `#`, which ends a namespace in a record's ID.
    #[error("the namespace must have 1 to 255 bytes and no '#'")]
    Namespace,
}

impl Key {
    /// The key `key` of `namespace`, a stable name that the handler states, such as `place-order`.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if two different pairs could end up as the same record.
    pub fn new(namespace: &str, key: &str) -> Result<Self, InvalidKey> {
        if !Self::is_namespace(namespace) {
            return Err(InvalidKey::Namespace);
        }
        if key.is_empty() {
            return Err(InvalidKey::Empty);
        }
        let plain = format!("{namespace}#{key}");
        // A key that looks like a hash is hashed too: otherwise it could be the ID of another key's record.
        if plain.len() <= MAX_RECORD_ID_BYTES && !key.starts_with(HASHED) {
            return Ok(Self { record_id: plain });
        }
        Ok(Self {
            record_id: format!("{namespace}#{HASHED}{}", hex_digest(key)),
        })
    }

    /// Whether keys can begin with this namespace: 1 to 255 bytes, no `#`, which ends a namespace in a record's ID.
    pub const fn is_namespace(namespace: &str) -> bool {
        let bytes = namespace.as_bytes();
        let mut position = 0;
        while position < bytes.len() {
            if bytes[position] == b'#' {
                return false;
            }
            position += 1;
        }
        !bytes.is_empty() && bytes.len() <= 255
    }

    /// The ID of this key's record: `namespace#key`, the key hashed if the ID would exceed DynamoDB's limit for a
    /// partition key.
    pub fn record_id(&self) -> &str {
        &self.record_id
    }

    /// The key whose record has this ID, `namespace#key`, as tables and logs show it.
    ///
    /// The key part is taken unchanged, even if it is a hash. Beyond the length of a record ID it is hashed, as by
    /// [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if no key has such a record.
    pub fn from_record_id(record_id: &str) -> Result<Self, InvalidKey> {
        let (namespace, key) = record_id.split_once('#').ok_or(InvalidKey::Namespace)?;
        let key = Self::new(namespace, key)?;
        if record_id.len() > MAX_RECORD_ID_BYTES {
            return Ok(key);
        }
        Ok(Self {
            record_id: record_id.to_owned(),
        })
    }

    /// A value for an `Idempotency-Key` header: the same at every attempt, different for every other key.
    ///
    /// 64 hexadecimal digits, so that it is a legal header value whatever the key contains.
    pub fn token(&self) -> String {
        hex_digest(&self.record_id)
    }
}

pub(crate) fn hex_digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_stays_readable() {
        assert_eq!(Key::new("place-order", "m-1").unwrap().record_id(), "place-order#m-1");
    }

    #[test]
    fn a_key_of_any_length_fits_a_partition_key() {
        let longest = "k".repeat(MAX_RECORD_ID_BYTES - "n#".len());
        assert_eq!(Key::new("n", &longest).unwrap().record_id(), format!("n#{longest}"));

        let hashed = Key::new("n", &format!("{longest}k")).unwrap();
        assert_eq!(hashed.record_id().len(), "n#sha256:".len() + 64);
        assert_ne!(hashed, Key::new("n", &format!("{longest}l")).unwrap());
    }

    #[test]
    fn a_key_that_looks_like_a_hash_names_no_other_record() {
        let long = "k".repeat(3000);
        let victim = Key::new("n", &long).unwrap();
        let (_, forged) = victim.record_id().split_once('#').unwrap();
        assert_ne!(Key::new("n", forged).unwrap(), victim);
    }

    #[test]
    fn no_two_pairs_of_namespace_and_key_share_a_record() {
        assert_eq!(Key::new("a#b", "c"), Err(InvalidKey::Namespace));
        assert_eq!(Key::new("", "c"), Err(InvalidKey::Namespace));
        assert_eq!(Key::new("a", ""), Err(InvalidKey::Empty));
        assert!(Key::new("a", "b#c").is_ok());
    }

    #[test]
    fn a_record_id_states_its_key_hashed_or_not() {
        for key in ["m-1", "b#c", &"k".repeat(3000), "sha256:looks hashed"] {
            let key = Key::new("n", key).unwrap();
            assert_eq!(Key::from_record_id(key.record_id()).unwrap(), key);
        }
        let long = "k".repeat(3000);
        assert_eq!(
            Key::from_record_id(&format!("n#{long}")).unwrap(),
            Key::new("n", &long).unwrap()
        );
        // As it is, up to the length of a record's ID.
        let longest = format!("n#sha256:{}", "k".repeat(MAX_RECORD_ID_BYTES - "n#sha256:".len()));
        assert_eq!(Key::from_record_id(&longest).unwrap().record_id(), longest);
        assert_eq!(Key::from_record_id("m-1"), Err(InvalidKey::Namespace));
        assert_eq!(Key::from_record_id("n#"), Err(InvalidKey::Empty));
    }

    #[test]
    fn the_token_is_stable_and_a_legal_header_value() {
        let token = Key::new("send-notification", "Ünïcode\n").unwrap().token();
        assert_eq!(token, Key::new("send-notification", "Ünïcode\n").unwrap().token());
        assert_ne!(token, Key::new("place-order", "Ünïcode\n").unwrap().token());
        assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
