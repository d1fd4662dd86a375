//! [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md), one event as JSON
//! (structured mode).

mod message;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

pub(crate) use message::attribute_name;
pub use message::{from_cloud_event, rfc3339, to_cloud_event};

/// One event.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<String>,
    /// The message, as text to decode.
    pub(crate) content: Cow<'a, str>,
    /// All other attributes, by name.
    pub(crate) others: Fields<'a>,
}

pub(crate) type Fields<'a> = BTreeMap<String, &'a RawValue>;

impl<'a> Event<'a> {
    /// The event with these fields, or the field that is wrong. The reason quotes no value.
    pub(crate) fn of(mut fields: Fields<'a>) -> Result<Self, String> {
        fields.retain(|_, value| value.get() != NULL);
        if required(&mut fields, "specversion")? != "1.0" {
            return Err("field `specversion` is not \"1.0\"".to_owned());
        }
        let id = required(&mut fields, "id")?;
        let (source, kind) = (required(&mut fields, "source")?, required(&mut fields, "type")?);
        let is_text = optional(&mut fields, "datacontenttype")?.is_some_and(|media_type| !is_json(&media_type));
        Ok(Self {
            id,
            source,
            kind,
            subject: optional(&mut fields, "subject")?,
            time: optional(&mut fields, "time")?,
            content: content(fields.remove("data"), optional(&mut fields, "data_base64")?, is_text)?,
            others: fields,
        })
    }
}

impl Event<'_> {
    /// Whether [`to_cloud_event`] wrote it.
    pub(crate) fn is_own(&self) -> bool {
        self.others.contains_key(message::ATTEMPTS)
    }

    /// Events of other programs are distinct by `source` and `id`
    /// ([id](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#id)).
    pub(crate) fn unique_id(&self) -> String {
        match self.is_own() {
            true => self.id.clone(),
            false => format!("{} {}", self.source, self.id),
        }
    }
}

/// An attribute with this value is not set.
const NULL: &str = "null";

fn required(fields: &mut Fields<'_>, name: &str) -> Result<String, String> {
    match optional(fields, name)? {
        Some(value) if value.is_empty() => Err(format!("field `{name}` is empty")),
        Some(value) => Ok(value),
        None => Err(format!("field `{name}` is missing")),
    }
}

fn optional(fields: &mut Fields<'_>, name: &str) -> Result<Option<String>, String> {
    let value = fields.remove(name);
    let value = value.map(|value| serde_json::from_str(value.get())).transpose();
    value.map_err(|_| format!("field `{name}` is not a string"))
}

/// A media type of JSON: its subtype is `json`, or ends with `+json`.
fn is_json(media_type: &str) -> bool {
    let subtype = media_type.split(';').next().unwrap_or_default().trim();
    let subtype = subtype.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    subtype == "json" || subtype.ends_with("+json")
}

/// `is_text`: a string is the message itself, not JSON.
fn content(data: Option<&RawValue>, base64: Option<String>, is_text: bool) -> Result<Cow<'_, str>, String> {
    match (data, base64) {
        (Some(_), Some(_)) => Err("fields `data` and `data_base64` exclude each other".to_owned()),
        (Some(data), None) => match serde_json::from_str::<String>(data.get()) {
            Ok(text) if is_text => Ok(Cow::Owned(text)),
            _ => Ok(Cow::Borrowed(data.get())),
        },
        (None, Some(base64)) => {
            let wrong = |what| format!("field `data_base64` is not {what}");
            let bytes = BASE64_STANDARD.decode(base64).map_err(|_| wrong("Base64"))?;
            let text = String::from_utf8(bytes).map_err(|_| wrong("UTF-8 in Base64"))?;
            Ok(Cow::Owned(text))
        }
        (None, None) => Err("field `data` is missing".to_owned()),
    }
}

/// The value of an extension attribute as text: a number or a boolean as it is written.
pub(crate) fn text(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

#[cfg(test)]
mod tests;
