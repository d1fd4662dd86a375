//! The fields of a JSON object as they are: a name can occur twice, or be one that no text can hold.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The fields of an object, in its order.
pub(crate) struct Fields<'a>(Vec<Field<'a>>);

struct Field<'a> {
    key: &'a RawValue,
    /// `None` if the key has half of a surrogate pair.
    name: Option<String>,
    value: &'a RawValue,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsTheyAre;
        impl<'de> Visitor<'de> for AsTheyAre {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    let name = serde_json::from_str(key.get()).ok();
                    fields.push(Field { key, name, value });
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(AsTheyAre)
    }
}

impl<'a> Fields<'a> {
    /// The fields of this value; `None` if it is not an object.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    /// The value of the field with this name; `None` if there is none, or another one.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let mut values = self.iter().filter(|(other, _)| *other == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.iter().any(|(other, _)| other == name)
    }

    /// Name and value of each field whose name can be read.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0
            .iter()
            .filter_map(|field| Some((field.name.as_deref()?, field.value)))
    }

    /// The object without the fields of this name, and without those whose name can't be read.
    pub(super) fn without(&self, name: &str) -> String {
        let kept = self
            .0
            .iter()
            .filter(|field| field.name.as_deref().is_some_and(|other| other != name));
        let kept: Vec<_> = kept.map(|field| format!("{}:{}", field.key, field.value)).collect();
        format!("{{{}}}", kept.join(","))
    }

    /// What is wrong with the names. `path`: of the object, with a dot at its end; empty for a record.
    pub(super) fn wrong_names(&self, path: &str) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<_> = self
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !seen.insert(*name))
            .collect();
        let mut wrong: Vec<_> = twice
            .into_iter()
            .map(|name| format!("a field is stated twice: {path}{name}"))
            .collect();
        if self.0.iter().any(|field| field.name.is_none()) {
            let owner = if path.is_empty() {
                "the record"
            } else {
                path.trim_end_matches('.')
            };
            wrong.push(format!("{owner} has a name with half of a surrogate pair"));
        }
        wrong
    }
}
