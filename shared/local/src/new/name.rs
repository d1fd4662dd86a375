//! The names of a new function, and those that can't be.

use std::path::Path;

use super::{NewError, NewFunction};

/// The names of a function and of what belongs to it.
pub(super) struct Names {
    /// Such as `charge-card`.
    pub(super) name: String,
    /// The handler's type, and the logical ID of function and queue: `ChargeCard`.
    pub(super) handler: String,
    /// The message's type: `CardMessage`.
    pub(super) message: String,
    /// Ends with `.fifo` if it is a FIFO queue.
    pub(super) queue: String,
    pub(super) is_fifo: bool,
    /// The template's parameter with the URL that it calls: `ChargeCardUrl`.
    pub(super) url_parameter: Option<String>,
    pub(super) table: Option<TableNames>,
}

pub(super) struct TableNames {
    /// Such as `charges`.
    pub(super) name: String,
    /// `ChargesTable`
    pub(super) logical_id: String,
}

/// Lambda accepts 64 characters. The template's parameter `Prefix` takes up to 32.
const LONGEST: usize = 32;

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
const SHORTEST_TABLE: usize = 3;

/// What the new package's code uses under these names.
const USED: [&str; 8] = [
    "AttributeValue",
    "BuildError",
    "DynamoDbWrite",
    "HttpClient",
    "IdempotencyKey",
    "MessageId",
    "NoWrites",
    "SettingError",
];

impl Names {
    pub(super) fn of(function: &NewFunction) -> Result<Self, NewError> {
        let name = &function.name;
        check("function", name, "a verb and a noun, such as charge-card")?;
        let Some((_, noun)) = name.split_once('-') else {
            return Err(NewError::Refused(format!(
                "{name} can't be the name of a function: it must be a verb and a noun, such as charge-card"
            )));
        };
        let handler = camel(name);
        if USED.contains(&handler.as_str()) || name == "proc-macro" {
            return Err(NewError::Refused(format!(
                "{name} can't be the name of a function: Rust or the new package uses {handler} for something else"
            )));
        }
        let table = function.table.as_ref().map(|table| {
            check("table", table, "a noun, such as charges")?;
            if table.len() < SHORTEST_TABLE {
                return Err(NewError::Refused(format!(
                    "{table:?} can't be the name of a table: DynamoDB's have at least {SHORTEST_TABLE} characters; choose a noun, \
                     such as charges"
                )));
            }
            Ok(TableNames {
                name: table.clone(),
                logical_id: format!("{}Table", camel(table)),
            })
        });
        Ok(Self {
            name: name.clone(),
            message: format!("{}Message", camel(noun)),
            queue: format!("{name}{}", if function.fifo { ".fifo" } else { "" }),
            is_fifo: function.fifo,
            url_parameter: function.http.then(|| format!("{handler}Url")),
            table: table.transpose()?,
            handler,
        })
    }

    /// The logical IDs of what belongs to the function and its queue.
    pub(super) fn logical_ids(&self) -> Vec<String> {
        let suffixes = ["", "Policy", "Role", "Logs", "Queue", "DeadLetterQueue", "TlsOnly"];
        suffixes.map(|suffix| format!("{}{suffix}", self.handler)).to_vec()
    }

    /// A sentence to begin with: `Charge card`.
    pub(super) fn purpose(&self) -> String {
        capitalized(&self.name.replace('-', " "))
    }
}

fn check(what: &str, name: &str, expected: &str) -> Result<(), NewError> {
    let refuse = |why: &str| {
        Err(NewError::Refused(format!(
            "{name:?} can't be the name of a {what}: {why}; choose {expected}"
        )))
    };
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    if !name.split('-').all(is_word) {
        return refuse(
            "it must be lower-case letters and digits, with single hyphens between words, each of which begins with a letter",
        );
    }
    if name.len() > LONGEST {
        return refuse("it may have at most 32 characters, because a stage's prefix may have as many");
    }
    Ok(())
}

/// `charge-card` -> `ChargeCard`
fn camel(name: &str) -> String {
    name.split('-').map(capitalized).collect()
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// Refuses a package that there is already, here or among the dependencies, and folders.
pub(super) fn refuse_taken(root: &Path, names: &Names) -> Result<(), NewError> {
    let name = &names.name;
    for folder in ["functions", "events"] {
        let path = root.join(folder).join(name);
        if path.exists() {
            return Err(NewError::Refused(format!(
                "{folder}/{name} exists, although template.yaml has no function {name}: remove the folder, or choose another name"
            )));
        }
    }
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let package = format!("name = \"{name}\"");
    let same_crate = format!("name = \"{}\"", name.replace('-', "_"));
    if lock.lines().any(|line| line == package || line == same_crate) {
        return Err(NewError::Refused(format!(
            "{name} can't be the name of a function: a package of this name is among the dependencies; choose another"
        )));
    }
    Ok(())
}
