//! HTTP messages as bytes, for a proxy that changes nothing in them.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// A request or a response.
pub(crate) struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    /// The next message of a connection; `None` at its end.
    ///
    /// # Errors
    ///
    /// The connection broke, or the message has no `Content-Length`: AWS's clients and the emulator always state it.
    pub(crate) async fn read(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Self>> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if connection.read_line(&mut head).await? == 0 {
                return Ok(None);
            }
        }
        let mut message = Self { head, body: Vec::new() };
        let length = message.header("content-length").map(str::parse);
        let Some(Ok(length)) = length else {
            let why = format!("a message without Content-Length: {}", message.head);
            return Err(Error::new(ErrorKind::InvalidData, why));
        };
        message.body.resize(length, 0);
        connection.read_exact(&mut message.body).await?;
        Ok(Some(message))
    }

    /// A response to a request of AWS's JSON protocol.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"{code}","message":"injected"}}"#).into_bytes();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Injected\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n"
        );
        Self { head, body }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Of a response.
    pub(crate) fn is_success(&self) -> bool {
        self.head.starts_with("HTTP/1.1 200 ")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_of_a_connection_are_read_one_by_one() {
        let mut connection: &[u8] =
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let request = Message::read(&mut connection).await.unwrap().unwrap();
        assert_eq!((request.body(), request.is_success()), (&b"abc"[..], false));
        let reply = Message::read(&mut connection).await.unwrap().unwrap();
        assert_eq!((reply.body(), reply.is_success()), (&b""[..], true));
        assert!(Message::read(&mut connection).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_message_without_its_length_is_refused() {
        let mut connection: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let error = Message::read(&mut connection).await.err().unwrap();
        assert!(error.to_string().contains("without Content-Length"), "{error}");
    }
}
