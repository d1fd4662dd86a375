//! The XML of requests and answers.

use quick_xml::de::from_str;
use quick_xml::escape::partial_escape;
use serde::Deserialize;

/// A message, as [Get Messages](https://learn.microsoft.com/rest/api/storageservices/get-messages) returns it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Message {
    pub(crate) message_id: String,
    pub(crate) insertion_time: Option<String>,
    pub(crate) pop_receipt: String,
    /// How often it was received, this time included.
    pub(crate) dequeue_count: Option<u32>,
    #[serde(default)]
    pub(crate) message_text: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(rename = "QueueMessage", default)]
    messages: Vec<Message>,
}

/// The messages in an answer, or why it has none. It is not quoted.
pub(crate) fn messages(answer: &str) -> Result<Vec<Message>, String> {
    let list: Result<List, _> = from_str(answer.trim_start_matches('\u{feff}'));
    let list = list.map_err(|_| "its answer is not a list of messages".to_owned())?;
    Ok(list.messages)
}

/// The text as XML. A parser would replace a carriage return by a line feed.
pub(crate) fn escaped(text: &str) -> String {
    partial_escape(text).replace('\r', "&#13;")
}

/// The body of a request to put a message.
pub(crate) fn message(text: &str) -> String {
    let text = escaped(text);
    format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documentation, with two messages.
    const ANSWER: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\
        <QueueMessagesList>\
        <QueueMessage><MessageId>5974b586-0df3-4e2d-ad0c-18e3892bfca2</MessageId>\
        <InsertionTime>Fri, 09 Oct 2026 21:04:30 GMT</InsertionTime>\
        <ExpirationTime>Fri, 16 Oct 2026 21:04:30 GMT</ExpirationTime>\
        <PopReceipt>YzQ4Yzg1MDItYTc0Ny00OWNjLTkxYTUtZGM0MDFiZDAwYzEw</PopReceipt>\
        <TimeNextVisible>Fri, 09 Oct 2026 23:29:20 GMT</TimeNextVisible>\
        <DequeueCount>2</DequeueCount><MessageText>PHRlYT4=</MessageText></QueueMessage>\
        <QueueMessage><MessageId>b</MessageId><PopReceipt>r</PopReceipt>\
        <MessageText>&lt;tea&gt; &amp;&#13; ü</MessageText></QueueMessage>\
        </QueueMessagesList>";

    #[test]
    fn messages_are_read_from_the_answer() {
        let messages = messages(ANSWER).unwrap();
        let [first, second] = &messages[..] else {
            panic!("{messages:?}")
        };
        assert_eq!(first.message_id, "5974b586-0df3-4e2d-ad0c-18e3892bfca2");
        assert_eq!(first.pop_receipt, "YzQ4Yzg1MDItYTc0Ny00OWNjLTkxYTUtZGM0MDFiZDAwYzEw");
        assert_eq!(
            (first.dequeue_count, first.message_text.as_str()),
            (Some(2), "PHRlYT4=")
        );
        assert_eq!(first.insertion_time.as_deref(), Some("Fri, 09 Oct 2026 21:04:30 GMT"));
        assert_eq!(
            (second.dequeue_count, second.message_text.as_str()),
            (None, "<tea> &\r ü")
        );
    }

    #[test]
    fn an_empty_queue_has_no_messages_and_another_answer_is_an_error() {
        assert_eq!(messages("<?xml version=\"1.0\"?><QueueMessagesList />"), Ok(vec![]));
        for wrong in [
            "",
            "secret",
            "<QueueMessagesList><QueueMessage></QueueMessage></QueueMessagesList>",
        ] {
            assert_eq!(
                messages(wrong),
                Err("its answer is not a list of messages".to_owned()),
                "{wrong}"
            );
        }
    }

    #[test]
    fn any_text_is_read_as_it_was_written() {
        for text in ["", "{\"a\": \"<&>'\"}", "a\rb\r\n", "]]>", "ü茶👩🏽‍🚀"] {
            let written = message(text).replace(
                "</MessageText>",
                "</MessageText><MessageId>a</MessageId><PopReceipt>b</PopReceipt>",
            );
            let read = messages(&format!("<QueueMessagesList>{written}</QueueMessagesList>")).unwrap();
            assert_eq!(read[0].message_text, text);
        }
    }
}
