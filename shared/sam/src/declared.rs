//! A resource that the local stack creates.

use super::node::Node;

/// The types that the local stack creates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Queue,
    Table,
    Function,
    Mapping,
}

/// A resource that is to be created.
pub(crate) struct Declared<'a> {
    pub(crate) logical_id: &'a str,
    /// Its name in its service; empty until it is decided.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) node: &'a Node,
    pub(crate) properties: Node,
}
