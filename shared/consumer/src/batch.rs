//! What the messages of a batch share while they are processed.

use std::sync::Arc;

use crate::summary::Counters;
use crate::{Budget, Services};

/// A batch that is being processed.
pub(crate) struct Batch<'a, H, S, Q> {
    pub(crate) handler: &'a Arc<H>,
    pub(crate) services: &'a Services<S, Q>,
    pub(crate) budget: &'a Budget,
    pub(crate) ordered: bool,
    pub(crate) counters: Counters,
}
