//! Expressions: conditions, filters, updates and projections, from text to what they do to an item.
//!
//! Grammar: [Condition and filter expressions](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html),
//! [Update expressions](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html).

mod condition;
mod cursor;
mod path;
mod placeholders;
mod projection;
mod reserved;
mod token;
mod update;

pub(super) use condition::Condition;
pub(super) use placeholders::Placeholders;
pub(super) use projection::Projection;
pub(super) use update::Update;
