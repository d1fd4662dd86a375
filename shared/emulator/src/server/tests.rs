//! What a client sees of the port, whatever it sends.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A stack with one queue, `orders`, whose queue URLs name port 4566, where it is not.
struct Port(String);

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Port {
    async fn open() -> Self {
        let sqs = Sqs::new("http://127.0.0.1:4566", "eu-central-1");
        sqs.call("CreateQueue", json!({ "QueueName": "orders" })).await.unwrap();
        let services = Services::new(sqs, DynamoDb::in_memory("eu-central-1").unwrap());
        let lambda = crate::lambda::Lambda::new(
            "127.0.0.1:1",
            "eu-central-1",
            Vec::new(),
            tokio::sync::mpsc::unbounded_channel().0,
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = services.router().merge(lambda.router());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(address)
    }

    async fn request(&self, line: &str, headers: &str, body: &str) -> Answer {
        let mut connection = TcpStream::connect(&self.0).await.unwrap();
        let length = body.len();
        let host = if headers.contains("host:") {
            ""
        } else {
            "host: 127.0.0.1:4566\r\n"
        };
        let request =
            format!("{line} HTTP/1.1\r\n{host}{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let (head, body) = (head.to_owned(), body.to_owned());
        Answer { status, head, body }
    }

    async fn sqs(&self, operation: &str, headers: &str, request: Value) -> Answer {
        let headers = format!("x-amz-target: AmazonSQS.{operation}\r\n{headers}");
        self.request("POST /", &headers, &request.to_string()).await
    }
}

const FORM: &str = "content-type: application/x-www-form-urlencoded; charset=utf-8\r\n";

#[tokio::test]
async fn the_query_protocol_is_refused_in_its_own_shape() {
    let port = Port::open().await;
    let list = "Action=ListQueues&Version=2012-11-05";
    for (line, headers, body, action) in [
        ("POST /", FORM, list, "ListQueues"),
        ("POST /", "", list, "ListQueues"),
        ("POST /", "content-type: application/json\r\n", list, "ListQueues"),
        (
            "POST /000000000000/orders",
            FORM,
            "Action=SendMessage&MessageBody=a",
            "SendMessage",
        ),
        ("POST /000000000000/orders?Action=SendMessage", "", "", "SendMessage"),
        ("POST /queue/us-east-1/000000000000/orders", FORM, list, "ListQueues"),
        (
            "GET /queue/us-east-1/000000000000/orders?Action=ReceiveMessage",
            "",
            "",
            "ReceiveMessage",
        ),
        ("GET /?Action=ListQueues&Version=2012-11-05", "", "", "ListQueues"),
        (
            "GET /000000000000/orders?Action=ReceiveMessage",
            "",
            "",
            "ReceiveMessage",
        ),
    ] {
        let answer = port.request(line, headers, body).await;
        assert_eq!(answer.status, 400, "{line} {body}");
        assert!(answer.head.contains("content-type: text/xml"), "{}", answer.head);
        let error = answer.body.split_once("<Error><Type>Sender</Type>").unwrap().1;
        assert!(
            error.starts_with("<Code>AWS.SimpleQueueService.UnsupportedOperation</Code>"),
            "{error}"
        );
        let said =
            format!("<Message>the query protocol (Action={action}) is not supported: use a client with SQS's JSON");
        assert!(error.contains(&said), "{error}");
        assert!(
            answer.body.trim_end().ends_with("</RequestId></ErrorResponse>"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn the_query_protocol_of_another_service_is_named() {
    let port = Port::open().await;
    let answer = port
        .request("POST /", FORM, "Action=GetCallerIdentity&Version=2011-06-15")
        .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .body
            .contains("not Action=GetCallerIdentity of the API version 2011-06-15"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_target_of_no_service_here_is_refused_by_name() {
    let port = Port::open().await;
    for (headers, body, named) in [
        ("", "{}", "a request without X-Amz-Target"),
        ("", "", "a request without X-Amz-Target"),
        ("", "plain text", "a request without X-Amz-Target"),
        (
            "x-amz-target: AWSEvents.PutEvents\r\n",
            "{}",
            "X-Amz-Target AWSEvents.PutEvents",
        ),
        ("x-amz-target: AmazonSQS\r\n", "{}", "X-Amz-Target AmazonSQS"),
        (
            "x-amz-target: DynamoDBStreams_20120810.ListStreams\r\n",
            "no JSON",
            "DynamoDBStreams_20120810.ListStreams",
        ),
    ] {
        let answer = port.request("POST /", headers, body).await;
        let error: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!(error["__type"], "com.amazon.coral.service#UnknownOperationException");
        assert!(error["message"].as_str().unwrap().contains(named), "{error}");
    }
}

#[tokio::test]
async fn the_target_counts_and_the_content_type_does_not() {
    let port = Port::open().await;
    for content_type in [
        "",
        FORM,
        "content-type: text/plain\r\n",
        "content-type: application/x-amz-json-1.1\r\n",
    ] {
        let answer = port
            .sqs("GetQueueUrl", content_type, json!({ "QueueName": "orders" }))
            .await;
        assert_eq!(answer.status, 200, "{content_type}");
    }
    let broken = port
        .request("POST /", "x-amz-target: AmazonSQS.ListQueues\r\n", "Action=ListQueues")
        .await;
    assert!(broken.body.contains("the request is not JSON"), "{}", broken.body);
}

#[tokio::test]
async fn a_request_that_no_route_serves_is_refused_with_text() {
    let port = Port::open().await;
    for line in [
        "GET /2015-03-31/functions/",
        "GET /2015-03-31/functions",
        "GET /2015-03-31/functions/work/invocations",
        "DELETE /2015-03-31/functions/work/configuration",
        "PUT /",
        "GET /000000000000/orders",
        "DELETE /000000000000/orders",
        "POST /2014-11-13/functions/work/invoke-async/",
        "GET /nowhere",
    ] {
        let answer = port.request(line, "", "").await;
        assert_eq!(answer.status, 404, "{line}");
        assert!(
            answer.head.contains("x-amzn-errortype: UnknownOperationException"),
            "{line}"
        );
        let error: Value = serde_json::from_str(&answer.body).unwrap();
        let said = format!("the local stack does not serve {line}: it has SQS");
        assert!(error["Message"].as_str().unwrap().starts_with(&said), "{error}");
    }
}

#[tokio::test]
async fn queue_urls_are_at_the_host_that_the_client_used() {
    let port = Port::open().await;
    let host = "host: stack.internal:4999\r\n";
    let answer = port.sqs("GetQueueUrl", host, json!({ "QueueName": "orders" })).await;
    assert_eq!(
        answer.body,
        r#"{"QueueUrl":"http://stack.internal:4999/000000000000/orders"}"#
    );
    let answer = port.sqs("ListQueues", host, json!({})).await;
    assert_eq!(
        answer.body,
        r#"{"QueueUrls":["http://stack.internal:4999/000000000000/orders"]}"#
    );
    let url = "http://stack.internal:4999/000000000000/orders";
    let message = json!({ "QueueUrl": url, "MessageBody": "http://127.0.0.1:4566/000000000000/orders" });
    assert_eq!(port.sqs("SendMessage", host, message).await.status, 200);
    let answer = port.sqs("ReceiveMessage", host, json!({ "QueueUrl": url })).await;
    assert!(
        answer.body.contains(r#""Body":"http://127.0.0.1:4566/"#),
        "{}",
        answer.body
    );
}
