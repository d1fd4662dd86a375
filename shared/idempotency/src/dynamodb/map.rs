//! Maps of a request.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::LazyLock;

/// One for all maps: two maps of the same entries are then iterated, and sent, in the same order.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A map that every copy of a request sends alike. DynamoDB refuses a transaction that has the request token of an earlier
/// one and other parameters
/// ([idempotency](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)).
pub(super) fn map<V>(entries: impl IntoIterator<Item = (&'static str, V)>) -> HashMap<String, V> {
    let mut map = HashMap::with_hasher(HASHER.clone());
    map.extend(entries.into_iter().map(|(name, value)| (name.to_owned(), value)));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_map_are_iterated_in_one_order() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        let copy = || map(names.map(|name| (name, name))).into_keys().collect::<Vec<_>>();
        let first = copy();
        assert!((0..20).all(|_| copy() == first));
    }
}
