use super::*;

fn entries(ids: &[&str]) -> Value {
    json!({ "Entries": ids.iter().map(|id| json!({ "Id": id, "MessageBody": id })).collect::<Vec<_>>() })
}

#[tokio::test]
async fn each_entry_tells_what_became_of_it() {
    let client = Client::standard().await;
    let request = json!({ "Entries": [
        { "Id": "good", "MessageBody": "msg" },
        { "Id": "empty", "MessageBody": "" },
        { "Id": "control", "MessageBody": "\u{0}" },
        { "Id": "late", "MessageBody": "a", "DelaySeconds": 901 },
    ] });
    let answer = client.ok("SendMessageBatch", request).await;
    let sent = &answer["Successful"][0];
    assert_eq!(
        (&sent["Id"], &sent["MD5OfMessageBody"]),
        (&json!("good"), &json!("6e2baaf3b97dbeef01c0043275f9a0e7"))
    );
    let failed = answer["Failed"].as_array().unwrap();
    let failures: Vec<_> = failed
        .iter()
        .map(|failure| (text(&failure["Id"]), text(&failure["Code"])))
        .collect();
    let expected = [
        ("empty", "MissingParameter"),
        ("control", "InvalidMessageContents"),
        ("late", "InvalidParameterValue"),
    ];
    assert_eq!(failures, expected.map(|(id, code)| (id.to_owned(), code.to_owned())));
    assert!(failed.iter().all(|failure| failure["SenderFault"] == true));
    assert_eq!(client.bodies().await, ["msg"]);
}

#[tokio::test]
async fn a_batch_is_refused_whole_for_its_ids() {
    let client = Client::standard().await;
    let eleven: Vec<String> = (0..11).map(|i| i.to_string()).collect();
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    let (longest, too_long) = ("x".repeat(80), "x".repeat(81));
    for (ids, error) in [
        (&[][..], "EmptyBatchRequest"),
        (&eleven, "TooManyEntriesInBatchRequest"),
        (&["a", "b", "a"], "BatchEntryIdsNotDistinct"),
        (&["a b"], "InvalidBatchEntryId"),
        (&[""], "InvalidBatchEntryId"),
        (&["ä"], "InvalidBatchEntryId"),
        (&[too_long.as_str()], "InvalidBatchEntryId"),
    ] {
        for operation in ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
            assert_eq!(
                client.refused(operation, entries(ids)).await,
                error,
                "{operation} {ids:?}"
            );
        }
    }
    assert!(client.states().is_empty());
    client
        .ok("SendMessageBatch", entries(&[longest.as_str(), "a-B_9"]))
        .await;
    client.ok("SendMessageBatch", entries(&eleven[..10])).await;
}

#[tokio::test]
async fn a_batch_may_have_one_mebibyte_in_all() {
    let client = Client::standard().await;
    let request = |last: usize| {
        json!({ "Entries": [
            { "Id": "a", "MessageBody": "x".repeat(1_000_000) },
            { "Id": "b", "MessageBody": "x".repeat(last), "MessageAttributes":
                { "n": { "DataType": "String", "StringValue": "xyz" } } },
        ] })
    };
    client.ok("SendMessageBatch", request(48_566)).await;
    let error = client.call("SendMessageBatch", request(48_567)).await.unwrap_err();
    assert_eq!(error.name(), "BatchRequestTooLong");
    assert!(error.message.contains("You have sent 1048577 bytes"), "{error}");
    assert_eq!(client.states().len(), 2);
}

#[tokio::test]
async fn a_queue_that_allows_less_judges_each_message_by_itself() {
    let client = Client::with(json!({ "MaximumMessageSize": "1024" })).await;
    let request = json!({ "Entries": [
        { "Id": "fits", "MessageBody": "x".repeat(1024) },
        { "Id": "fits-too", "MessageBody": "x".repeat(1024) },
        { "Id": "long", "MessageBody": "x".repeat(1025) },
    ] });
    let answer = client.ok("SendMessageBatch", request).await;
    assert_eq!(
        (
            answer["Successful"].as_array().unwrap().len(),
            &answer["Failed"][0]["Id"]
        ),
        (2, &json!("long"))
    );
}

#[tokio::test]
async fn a_fifo_batch_without_group_or_deduplication_id_is_refused() {
    let client = Client::fifo().await;
    let good = json!({ "Id": "a", "MessageBody": "a", "MessageGroupId": "g" });
    let request = json!({ "Entries": [good, { "Id": "b", "MessageBody": "b" }] });
    let error = client.call("SendMessageBatch", request).await.unwrap_err();
    assert_eq!(error.message, "The request must contain the parameter MessageGroupId.");
    client
        .ok(
            "SetQueueAttributes",
            json!({ "Attributes": { "ContentBasedDeduplication": "false" } }),
        )
        .await;
    let error = client
        .call("SendMessageBatch", json!({ "Entries": [good] }))
        .await
        .unwrap_err();
    assert!(
        error.message.contains("MessageDeduplicationId provided explicitly"),
        "{error}"
    );
    assert!(client.states().is_empty());
}

#[tokio::test]
async fn messages_are_deleted_and_made_visible_entry_by_entry() {
    let client = Client::standard().await;
    client.ok("SendMessageBatch", entries(&["a", "b", "c"])).await;
    let messages = client.receive().await;
    let entry = |id: &str, handle: &Value| json!({ "Id": id, "ReceiptHandle": handle, "VisibilityTimeout": 0 });
    let request = |message: &Value| json!({ "Entries": [entry("good", &message["ReceiptHandle"]), entry("bad", &json!("garbage"))] });
    for (operation, message) in [
        ("DeleteMessageBatch", &messages[0]),
        ("ChangeMessageVisibilityBatch", &messages[1]),
    ] {
        let answer = client.ok(operation, request(message)).await;
        assert_eq!(answer["Successful"], json!([{ "Id": "good" }]));
        assert_eq!(answer["Failed"][0]["Id"], "bad");
        assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    }
    assert_eq!(client.states(), [MessageState::Visible, MessageState::InFlight]);
}

#[tokio::test]
async fn a_visibility_entry_without_timeout_fails_by_itself() {
    let client = Client::standard().await;
    client.send("a").await;
    let message = client.receive_one().await;
    let request = json!({ "Entries": [{ "Id": "a", "ReceiptHandle": message["ReceiptHandle"] }] });
    let answer = client.ok("ChangeMessageVisibilityBatch", request).await;
    assert_eq!(answer["Failed"][0]["Code"], "MissingParameter");
}
