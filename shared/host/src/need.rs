//! What a handler needs beside its queue and its ledger, as far as its settings name it.

use std::cell::RefCell;

/// What a handler needs to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A queue that it sends to, which [`queue_url`](crate::queue_url) has read.
    Queue {
        /// The environment variable.
        variable: &'static str,
        /// The queue's URL, or `amqp:NAME`.
        url: String,
    },
    /// A DynamoDB table, which [`table`](crate::table) has read.
    Table {
        /// The environment variable.
        variable: &'static str,
        /// The table's name or ARN.
        name: String,
    },
    /// A table in the database of the ledger, which [`sql_table`] has named.
    SqlTable(&'static str),
}

thread_local! {
    /// `None` outside of [`needs`].
    static NEEDS: RefCell<Option<Vec<Need>>> = const { RefCell::new(None) };
}

/// What `build` returns, and what it has read from settings on this thread: a host that starts checks that it exists.
pub fn needs<T>(build: impl FnOnce() -> T) -> (T, Vec<Need>) {
    let outer = NEEDS.replace(Some(Vec::new()));
    let built = build();
    (built, NEEDS.replace(outer).unwrap_or_default())
}

/// States that the handler uses this table of the ledger's database. Its statements name it, so it is no setting.
pub fn sql_table(name: &'static str) {
    note(|| Need::SqlTable(name));
}

pub(crate) fn note(need: impl FnOnce() -> Need) {
    NEEDS.with_borrow_mut(|needs| {
        if let Some(needs) = needs {
            needs.push(need());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_those_of_one_handler() {
        sql_table("before");
        let ((), of_one) = needs(|| sql_table("orders"));
        let ((), of_other) = needs(|| ());
        assert_eq!((of_one, of_other), (vec![Need::SqlTable("orders")], Vec::new()));
    }
}
