//! What failed a write's condition.

/// What PostgreSQL found when it refused a write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// The statement changed, or a check returned, another number of rows than the write must touch.
    Touched {
        /// How many rows it was.
        rows: u64,
    },
    /// A constraint: a row that exists already (`23505`), one that is missing (`23503`), a value that is not allowed.
    Constraint {
        /// The constraint's name; empty for a column that must not be null.
        name: String,
        /// The table that has the constraint, without its schema.
        table: String,
        /// The SQLSTATE, such as `23505`
        /// ([error codes](https://www.postgresql.org/docs/current/errcodes-appendix.html)).
        code: String,
    },
    /// A function or trigger of yours raised an error.
    Raised {
        /// The SQLSTATE: `P0001` unless the function states another.
        code: String,
        /// Its message.
        message: String,
    },
}

impl Found {
    /// The name of the constraint that refused the write.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { name, .. } => Some(name),
            _ => None,
        }
    }

    /// How many rows the statement touched, if it was not the right number.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Self::Touched { rows } => Some(*rows),
            _ => None,
        }
    }
}
