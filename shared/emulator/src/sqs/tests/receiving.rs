use std::collections::HashMap;
use std::sync::Arc;

use super::*;

#[tokio::test]
async fn a_message_is_received_with_its_id_hash_and_handle() {
    let client = Client::standard().await;
    let id = client.send("msg").await;
    let messages = client.receive().await;
    let mut message = messages[0].clone();
    assert!(!text(&message["ReceiptHandle"].take()).is_empty());
    let expected = json!({
        "MessageId": id, "Body": "msg", "MD5OfBody": "6e2baaf3b97dbeef01c0043275f9a0e7", "ReceiptHandle": null
    });
    assert_eq!(message, expected);
}

#[tokio::test]
async fn an_empty_receive_answers_no_list() {
    let client = Client::standard().await;
    assert_eq!(client.ok("ReceiveMessage", json!({})).await, json!({}));
}

#[tokio::test]
async fn a_receive_returns_one_message_or_up_to_ten() {
    let client = Client::standard().await;
    for i in 0..12 {
        client.send(&i.to_string()).await;
    }
    assert_eq!(client.receive_with(json!({})).await.len(), 1);
    assert_eq!(client.receive().await.len(), 10);
    for bad in [0, -1, 11] {
        let request = json!({ "MaxNumberOfMessages": bad });
        assert_eq!(
            client.refused("ReceiveMessage", request).await,
            "InvalidParameterValueException"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_received_message_is_hidden_for_the_visibility_timeout() {
    let client = Client::with(json!({ "VisibilityTimeout": "10" })).await;
    client.send("a").await;
    assert_eq!(client.bodies().await, ["a"]);
    seconds(9).await;
    assert!(client.bodies().await.is_empty());
    seconds(1).await;
    assert_eq!(client.bodies().await, ["a"]);
}

#[tokio::test]
async fn only_named_messages_are_made_visible() {
    for fifo in [
        json!({}),
        json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" }),
    ] {
        let is_fifo = fifo["FifoQueue"] == "true";
        let client = Client::standard().await.at("made-visible.fifo");
        let client = if is_fifo { client } else { client.at("made-visible") };
        client.create(&client.queue, fifo).await;
        let send = async |body: &str| match is_fifo {
            true => client.send_in_group(body, body).await,
            false => client.send(body).await,
        };
        let (_, named) = (send("a").await, send("b").await);
        assert_eq!(client.bodies().await, ["a", "b"]);
        client.sqs.make_visible("nowhere", std::slice::from_ref(&named));
        assert!(client.bodies().await.is_empty());
        client.sqs.make_visible(&client.queue, &[named]);
        assert_eq!(client.bodies().await, ["b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receive_may_name_its_own_visibility_timeout() {
    let client = Client::standard().await;
    client.send("a").await;
    client.receive_with(json!({ "VisibilityTimeout": 2 })).await;
    seconds(2).await;
    client.receive_with(json!({ "VisibilityTimeout": 0 })).await;
    assert_eq!(client.bodies().await, ["a"]);
    for bad in [-1, 43_201] {
        let request = json!({ "VisibilityTimeout": bad });
        assert_eq!(
            client.refused("ReceiveMessage", request).await,
            "InvalidParameterValueException"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn system_attributes_tell_when_and_how_often() {
    let client = Client::standard().await;
    client.send("a").await;
    seconds(1).await;
    let first = client.receive_one().await["Attributes"].clone();
    seconds(30).await;
    let second = client.receive_one().await["Attributes"].clone();
    assert_eq!(
        (&first["ApproximateReceiveCount"], &second["ApproximateReceiveCount"]),
        (&json!("1"), &json!("2"))
    );
    assert_eq!(first["SentTimestamp"], second["SentTimestamp"]);
    assert_eq!(
        first["ApproximateFirstReceiveTimestamp"],
        second["ApproximateFirstReceiveTimestamp"]
    );
    let millis = |name: &str| text(&first[name]).parse::<u64>().unwrap();
    assert_eq!(
        millis("ApproximateFirstReceiveTimestamp") - millis("SentTimestamp"),
        1000
    );
    assert_eq!(millis("SentTimestamp").to_string().len(), 13);
    let names: Vec<&String> = first.as_object().unwrap().keys().collect();
    let always = [
        "ApproximateFirstReceiveTimestamp",
        "ApproximateReceiveCount",
        "SenderId",
        "SentTimestamp",
    ];
    assert_eq!(names, always, "and nothing the message doesn't have");
}

#[tokio::test]
async fn system_attributes_have_an_old_and_a_new_parameter() {
    let client = Client::standard().await;
    client.send("a").await;
    for member in ["AttributeNames", "MessageSystemAttributeNames"] {
        let message = &client
            .receive_with(json!({ member: ["SenderId"], "VisibilityTimeout": 0 }))
            .await[0];
        assert_eq!(message["Attributes"].as_object().unwrap().len(), 1, "{message}");
        assert_eq!(
            client.refused("ReceiveMessage", json!({ member: ["Colour"] })).await,
            "InvalidAttributeName"
        );
    }
}

#[tokio::test]
async fn names_of_queue_attributes_are_ignored_in_the_old_parameter() {
    let client = Client::standard().await;
    client.send("a").await;
    let names = ["Policy", "QueueArn", "ApproximateNumberOfMessages", "SenderId"];
    let message = client.receive_with(json!({ "AttributeNames": names })).await.remove(0);
    let attributes: Vec<_> = message["Attributes"].as_object().unwrap().keys().collect();
    assert_eq!(attributes, ["SenderId"]);
    let newer = json!({ "MessageSystemAttributeNames": ["Policy"] });
    assert_eq!(client.refused("ReceiveMessage", newer).await, "InvalidAttributeName");
}

/// The hashes in this test are what AWS answered to the same requests.
#[tokio::test]
async fn selected_message_attributes_are_hashed_as_selected() {
    let client = Client::standard().await;
    let string = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let attributes = json!({ "Help.Me": string("Me"), "Hello": string("There"), "General": string("Kenobi") });
    client
        .ok(
            "SendMessage",
            json!({ "MessageBody": "msg", "MessageAttributes": attributes }),
        )
        .await;
    for (names, hash) in [
        (json!(["All"]), "4c360f3fdafd970e05fae2f149d997f5"),
        (json!([".*"]), "4c360f3fdafd970e05fae2f149d997f5"),
        (json!(["*"]), "4c360f3fdafd970e05fae2f149d997f5"),
        (json!(["Hello", "General"]), "fca026605781cb4126a1e9044df24232"),
        (json!(["Foo", "Hello"]), "a311262e065454b75da111d535b8dacd"),
        (json!(["Hel.*"]), "83fee93c1bcd8b9a5a923ffacdc636c7"),
    ] {
        let request = json!({ "MessageAttributeNames": names, "VisibilityTimeout": 0 });
        assert_eq!(
            client.receive_with(request).await[0]["MD5OfMessageAttributes"],
            hash,
            "{names}"
        );
    }
    for names in [json!([]), json!(["Help"]), json!(["AWS."])] {
        let request = json!({ "MessageAttributeNames": names, "VisibilityTimeout": 0 });
        let message = &client.receive_with(request).await[0];
        assert!(message.get("MessageAttributes").is_none() && message.get("MD5OfMessageAttributes").is_none());
    }
}

#[tokio::test]
async fn binary_attributes_come_back_as_sent() {
    let client = Client::standard().await;
    let attribute = json!({ "b": { "DataType": "Binary.png", "BinaryValue": "AAH/" } });
    client
        .ok(
            "SendMessage",
            json!({ "MessageBody": "a", "MessageAttributes": attribute }),
        )
        .await;
    let messages = client.receive_with(json!({ "MessageAttributeNames": ["All"] })).await;
    assert_eq!(messages[0]["MessageAttributes"], attribute);
}

#[tokio::test]
async fn looking_into_a_queue_receives_nothing() {
    let client = Client::standard().await;
    let id = client.send("a").await;
    let peeked = client.sqs.peek("orders");
    assert_eq!(
        (
            peeked[0].message_id.as_str(),
            peeked[0].body.as_str(),
            peeked[0].receive_count
        ),
        (id.as_str(), "a", 0)
    );
    assert_eq!(client.sqs.deliveries(&id), 0);
    assert_eq!(client.sqs.peek(&format!("{ENDPOINT}/000000000000/orders")), peeked);
    assert!(client.sqs.peek("nowhere").is_empty());
}

#[tokio::test]
async fn deliveries_are_remembered_after_deletion() {
    let client = Client::standard().await;
    let id = client.send("a").await;
    client.receive_with(json!({ "VisibilityTimeout": 0 })).await;
    let message = client.receive_one().await;
    client.delete(&message).await;
    assert_eq!(client.sqs.deliveries(&id), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_receivers_never_share_a_message() {
    let client = Arc::new(Client::standard().await);
    for i in 0..100 {
        client.send(&i.to_string()).await;
    }
    let receivers: Vec<_> = (0..8)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                loop {
                    let messages = client.receive_with(json!({ "MaxNumberOfMessages": 3 })).await;
                    if messages.is_empty() {
                        return ids;
                    }
                    ids.extend(messages.iter().map(|message| text(&message["MessageId"])));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut received: HashMap<String, u32> = HashMap::new();
    for receiver in receivers {
        for id in receiver.await.unwrap() {
            *received.entry(id).or_default() += 1;
        }
    }
    assert_eq!(received.len(), 100);
    assert!(received.values().all(|count| *count == 1));
}
