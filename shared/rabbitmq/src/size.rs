//! The size of headers. Properties and headers must fit one frame, which has 128 KiB unless the broker is configured otherwise:
//! the broker closes the connection that publishes larger ones.

use lapin::types::{AMQPValue, FieldTable};

/// Of all headers of a message.
pub(crate) const MOST_HEADER_BYTES: usize = 112 * 1024;
/// Of all headers of a dead letter: reason and origin come on top of what its message has.
pub(crate) const MOST_DEAD_LETTER_BYTES: usize = 124 * 1024;
/// A string, list or table begins with its length.
const LENGTH: usize = 4;

/// Bytes of all these headers.
pub(crate) fn header_bytes(headers: &FieldTable) -> usize {
    let each = headers.into_iter().map(|(name, value)| size(name.as_str(), value));
    each.sum()
}

/// Bytes of one header: the length of the name, the name, the type and the value.
pub(crate) fn size(name: &str, value: &AMQPValue) -> usize {
    1 + name.len() + 1 + value_bytes(value)
}

fn value_bytes(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::LongString(text) => LENGTH + text.len(),
        AMQPValue::ShortString(text) => 1 + text.as_str().len(),
        AMQPValue::ByteArray(bytes) => LENGTH + bytes.len(),
        AMQPValue::FieldArray(values) => {
            let each = values.as_slice().iter().map(|value| 1 + value_bytes(value));
            LENGTH + each.sum::<usize>()
        }
        AMQPValue::FieldTable(table) => LENGTH + header_bytes(table),
        _ => size_of::<u64>(),
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    #[test]
    fn a_list_in_a_table_counts_with_all_it_contains() {
        let list = FieldArray::from(vec![
            AMQPValue::LongString("x".repeat(1000).into()),
            AMQPValue::LongLongInt(1),
        ]);
        let mut table = FieldTable::default();
        table.insert("list".into(), AMQPValue::FieldArray(list));
        let list = LENGTH + (1 + LENGTH + 1000) + (1 + 8);
        assert_eq!(size("t", &AMQPValue::FieldTable(table)), 3 + LENGTH + 6 + list);
    }
}
