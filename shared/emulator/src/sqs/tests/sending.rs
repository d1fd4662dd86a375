use super::*;

fn with_attributes(attributes: Value) -> Value {
    json!({ "MessageBody": "a", "MessageAttributes": attributes })
}

fn string(value: &str) -> Value {
    json!({ "DataType": "String", "StringValue": value })
}

#[tokio::test]
async fn a_send_answers_id_and_hash_of_the_body() {
    let client = Client::standard().await;
    let answer = client.ok("SendMessage", json!({ "MessageBody": "msg" })).await;
    assert_eq!(answer["MD5OfMessageBody"], "6e2baaf3b97dbeef01c0043275f9a0e7");
    assert!(text(&answer["MessageId"]).parse::<uuid::Uuid>().is_ok());
    assert!(answer.get("MD5OfMessageAttributes").is_none() && answer.get("SequenceNumber").is_none());
}

/// The hashes in this test are what AWS answered to the same attributes.
#[tokio::test]
async fn attributes_are_hashed_as_aws_does() {
    let client = Client::standard().await;
    // "traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01"
    let bytes = "dHJhY2VwYXJlbnQeMDAtNzc0MDYyZDZjMzcwODFhNWEwYjliNWI4OGUzMDYyN2MtMmQyNDgyMjExZjY0ODlkYS0wMQ==";
    let kenobi = json!({ "Help.Me": string("Me"), "Hello": string("There"), "General": string("Kenobi") });
    for (attributes, hash) in [
        (json!({ "Foo": string("Bar") }), "ae7155c6026991b6d54b11589678bf9c"),
        (kenobi, "4c360f3fdafd970e05fae2f149d997f5"),
        (
            json!({ "attr1": { "DataType": "Binary", "BinaryValue": bytes } }),
            "8cbe4db156db8a94db8b801b7addb984",
        ),
    ] {
        let answer = client.ok("SendMessage", with_attributes(attributes)).await;
        assert_eq!(answer["MD5OfMessageAttributes"], hash);
    }
}

#[tokio::test]
async fn a_trace_header_is_received_as_a_system_attribute() {
    let client = Client::standard().await;
    let header = json!({ "AWSTraceHeader": string("Root=1-2-3") });
    let answer = client
        .ok(
            "SendMessage",
            json!({ "MessageBody": "a", "MessageSystemAttributes": header }),
        )
        .await;
    assert_eq!(text(&answer["MD5OfMessageSystemAttributes"]).len(), 32);
    assert!(answer.get("MD5OfMessageAttributes").is_none());
    assert_eq!(client.receive_one().await["Attributes"]["AWSTraceHeader"], "Root=1-2-3");
}

#[tokio::test]
async fn a_malformed_trace_header_is_refused() {
    let client = Client::standard().await;
    let request = |header: &str| {
        let attributes = json!({ "AWSTraceHeader": string(header) });
        json!({ "MessageBody": "a", "MessageSystemAttributes": attributes })
    };
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    for valid in [
        root,
        &format!("Self=1-2-3;{root};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a:0"),
    ] {
        client.ok("SendMessage", request(valid)).await;
    }
    for malformed in [
        "junk",
        "Sampled=1",
        "Root=junk",
        "Root=1--2",
        "Root=1-5759e988",
        &format!("{root};junk"),
    ] {
        let error = client.refused("SendMessage", request(malformed)).await;
        assert_eq!(error, "InvalidParameterValueException", "{malformed}");
    }
}

#[tokio::test]
async fn no_other_system_attribute_can_be_sent() {
    let client = Client::standard().await;
    let sender = json!({ "SenderId": string("me") });
    let request = json!({ "MessageBody": "a", "MessageSystemAttributes": sender });
    assert_eq!(
        client.refused("SendMessage", request).await,
        "InvalidParameterValueException"
    );
}

#[tokio::test]
async fn attribute_names_and_types_are_checked() {
    let client = Client::standard().await;
    let value = |data_type: &str, text: &str| json!({ "a": { "DataType": data_type, "StringValue": text } });
    for (attributes, valid) in [
        (json!({ "a.b-c_D9": string("x") }), true),
        (value("String.json", "x"), true),
        (value("Number", "-1.5e3"), true),
        (value("Number.cents", "12"), true),
        (value("Number", "twelve"), false),
        (value("Number", "inf"), false),
        (value("Number", &"1".repeat(39)), false),
        (value("Number", &format!("00{}.000", "1".repeat(38))), true),
        (value("Number", "1e126"), true),
        (value("Number", "-1e127"), false),
        (value("Number", "1e-128"), true),
        (value("Number", "1e-129"), false),
        (value("Number", "0e9"), true),
        (value("Number", "."), false),
        (value("Number", "1 "), false),
        (value("Number", "0x1"), false),
        (value("Text", "x"), false),
        (value("Stringy", "x"), false),
        (value("", "x"), false),
        (value("String", ""), false),
        (value("String", "\u{1}"), false),
        (value("Binary", "x"), false),
        (json!({ "a": { "DataType": "Binary", "BinaryValue": "AAE=" } }), true),
        (json!({ "a": { "DataType": "Binary", "BinaryValue": "?" } }), false),
        (json!({ "a": { "DataType": "String", "BinaryValue": "AAE=" } }), false),
        (json!({ "a": {} }), false),
        (json!({ "a": 1 }), false),
        (json!({ "a b": string("x") }), false),
        (json!({ ".a": string("x") }), false),
        (json!({ "a.": string("x") }), false),
        (json!({ "a..b": string("x") }), false),
        (json!({ "aws.a": string("x") }), false),
        (json!({ "Amazon.a": string("x") }), false),
        (json!({ "a".repeat(256): string("x") }), true),
        (json!({ "a".repeat(257): string("x") }), false),
    ] {
        let answer = client.call("SendMessage", with_attributes(attributes.clone())).await;
        assert_eq!(answer.is_ok(), valid, "{attributes} {answer:?}");
    }
}

#[tokio::test]
async fn a_message_has_at_most_ten_attributes() {
    let client = Client::standard().await;
    let attributes = |count: usize| Value::Object((0..count).map(|i| (format!("a{i}"), string("x"))).collect());
    client.ok("SendMessage", with_attributes(attributes(10))).await;
    let error = client
        .call("SendMessage", with_attributes(attributes(11)))
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "Number of message attributes [11] exceeds the allowed maximum [10]."
    );
}

#[tokio::test]
async fn a_message_with_its_attributes_may_have_one_mebibyte() {
    let client = Client::standard().await;
    // Name, type and value of the attribute count: 1 + 6 + 3 bytes.
    let request =
        |length: usize| json!({ "MessageBody": "a".repeat(length), "MessageAttributes": { "n": string("xyz") } });
    client.ok("SendMessage", request(1_048_566)).await;
    let error = client.call("SendMessage", request(1_048_567)).await.unwrap_err();
    assert!(error.message.contains("shorter than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_queue_may_allow_less() {
    let client = Client::with(json!({ "MaximumMessageSize": "1024" })).await;
    client.send(&"ä".repeat(512)).await;
    let request = json!({ "MessageBody": "ä".repeat(513) });
    assert_eq!(
        client.refused("SendMessage", request).await,
        "InvalidParameterValueException"
    );
}

#[tokio::test]
async fn a_body_holds_at_least_one_character_and_only_those_of_xml() {
    let client = Client::standard().await;
    client.send("\t\n\r \u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{10FFFF}").await;
    for bad in ["\0", "a\u{8}", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
        assert_eq!(
            client.refused("SendMessage", json!({ "MessageBody": bad })).await,
            "InvalidMessageContents"
        );
    }
    let empty = json!({ "MessageBody": "" });
    assert_eq!(
        client.refused("SendMessage", empty).await,
        "MissingRequiredParameterException"
    );
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_is_received_after_its_delay() {
    let client = Client::with(json!({ "DelaySeconds": "5" })).await;
    client
        .ok("SendMessage", json!({ "MessageBody": "at once", "DelaySeconds": 0 }))
        .await;
    client.send("in five").await;
    client
        .ok("SendMessage", json!({ "MessageBody": "in nine", "DelaySeconds": 9 }))
        .await;
    assert_eq!(client.bodies().await, ["at once"]);
    seconds(5).await;
    assert_eq!(client.bodies().await, ["in five"]);
    seconds(4).await;
    assert_eq!(client.bodies().await, ["in nine"]);
}

#[tokio::test]
async fn a_delay_is_at_most_a_quarter_of_an_hour() {
    let client = Client::standard().await;
    client
        .ok("SendMessage", json!({ "MessageBody": "a", "DelaySeconds": 900 }))
        .await;
    for bad in [-1, 901] {
        let request = json!({ "MessageBody": "a", "DelaySeconds": bad });
        assert_eq!(
            client.refused("SendMessage", request).await,
            "InvalidParameterValueException"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_vanishes_after_the_retention_period() {
    let client = Client::with(json!({ "MessageRetentionPeriod": "60" })).await;
    client.send("short-lived").await;
    seconds(59).await;
    assert_eq!(client.states().len(), 1);
    seconds(1).await;
    assert!(client.receive().await.is_empty() && client.states().is_empty());
}

#[tokio::test]
async fn a_standard_queue_accepts_a_group_but_no_deduplication_id() {
    let client = Client::standard().await;
    client.send_in_group("tenant", "a").await;
    client.send_in_group("tenant", "b").await;
    let messages = client
        .receive_with(json!({ "AttributeNames": ["All"], "MaxNumberOfMessages": 1 }))
        .await;
    assert_eq!(messages[0]["Attributes"]["MessageGroupId"], "tenant");
    assert_eq!(client.bodies().await, ["b"], "the group holds nothing back");
    let request = json!({ "MessageBody": "c", "MessageDeduplicationId": "d" });
    assert_eq!(
        client.refused("SendMessage", request).await,
        "InvalidParameterValueException"
    );
}

#[tokio::test]
async fn a_message_can_be_made_to_arrive_twice_under_one_id() {
    let client = Client::standard().await;
    client.sqs.deliver_twice("orders", 1);
    let id = client.send("twice").await;
    client.send("once").await;
    let messages = client.receive().await;
    let twice: Vec<_> = messages
        .iter()
        .filter(|message| message["MessageId"] == id.as_str())
        .collect();
    assert_eq!((twice.len(), messages.len()), (2, 3));
    assert_eq!(client.sqs.deliveries(&id), 2);
    client.delete(twice[0]).await;
    assert_eq!(client.states().len(), 2, "the other copy stays");
}

#[tokio::test]
async fn a_fifo_queue_never_delivers_twice() {
    let client = Client::fifo().await;
    client.sqs.deliver_twice("orders.fifo", 1);
    client.send_in_group("g", "once").await;
    assert_eq!(client.states().len(), 1);
}
