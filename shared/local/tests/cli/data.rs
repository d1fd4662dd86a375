//! Tables and queues that a folder keeps.

use std::fs;

use rustix::process::Signal;

use crate::harness::{Up, directory, file, local, refused, template};

const TABLE: &str = "  Table:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      TableName: records\n      \
                     BillingMode: PAY_PER_REQUEST\n      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]\n      \
                     KeySchema: [{AttributeName: id, KeyType: HASH}]\n      \
                     TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}\n";

#[tokio::test]
async fn tables_and_queues_are_kept() {
    let directory = directory("data");
    let path = file(&directory, "template.yaml", &(template(None) + TABLE));
    let body = file(&directory, "body.json", "{}");
    let data = directory.join("kept").to_str().unwrap().to_owned();
    let mut up = Up::start_with(&path, &["--data", &data]);
    assert!(
        up.introduction()
            .contains(&format!("tables and queues are kept in {data}"))
    );
    put(&up.endpoint, "a").await;
    let mut send = local();
    send.args(["send", "orders", &body, "--endpoint-url", &up.endpoint]);
    assert!(send.output().unwrap().status.success());

    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--data", &data]);
    let expected = format!("error: tables can't be kept in {data}: another stack uses it\n");
    assert_eq!((code, error), (1, expected));

    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
    let up = Up::start_with(&path, &["--data", &data]);
    assert_eq!(ids(&up.endpoint).await, ["a"]);
    put(&up.endpoint, "b").await;
    assert_eq!(messages(&up.endpoint).await, 1);
}

#[tokio::test]
async fn messages_of_a_queue_that_the_template_lacks_are_kept() {
    let directory = directory("kept-messages");
    let path = file(&directory, "template.yaml", &template(None));
    let body = file(&directory, "body.json", "{}");
    let data = directory.join("kept").to_str().unwrap().to_owned();
    let mut up = Up::start_with(&path, &["--data", &data]);
    let mut send = local();
    send.args(["send", "orders", &body, "--endpoint-url", &up.endpoint]);
    assert!(send.output().unwrap().status.success());
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());

    file(
        &directory,
        "template.yaml",
        &template(None).replace("QueueName: orders", "QueueName: others"),
    );
    let mut up = Up::start_with(&path, &["--data", &data]);
    let line = up.line("trouble");
    assert!(
        line.ends_with("messages of orders stay in the folder of --data, unused: the template has no such queue"),
        "{line}"
    );
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());

    file(&directory, "template.yaml", &template(None));
    let up = Up::start_with(&path, &["--data", &data]);
    assert_eq!(messages(&up.endpoint).await, 1);
}

#[tokio::test]
async fn tables_are_in_memory_by_default() {
    let directory = directory("memory");
    let path = file(&directory, "template.yaml", &(template(None) + TABLE));
    let mut up = Up::start(&path);
    put(&up.endpoint, "a").await;
    up.signal(Signal::TERM);
    assert!(up.ended().0.success());
    assert_eq!(ids(&Up::start(&path).endpoint).await, [""; 0]);
}

#[test]
fn a_folder_that_can_not_keep_tables_is_named() {
    let directory = directory("no-folder");
    let path = file(&directory, "template.yaml", &template(None));
    let taken = file(&directory, "taken", "a file");
    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--data", &taken]);
    assert_eq!(code, 1);
    assert!(
        error.starts_with(&format!("error: tables can't be kept in {taken}: ")),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");

    let broken = directory.join("broken");
    fs::create_dir(&broken).unwrap();
    file(&broken, "dynamodb.sqlite", &"no database ".repeat(1000));
    let broken = broken.to_str().unwrap();
    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--data", broken]);
    assert_eq!(code, 1);
    assert!(error.contains("not a valid SQLite database\n"), "{error}");

    let broken = directory.join("broken-queues");
    fs::create_dir(&broken).unwrap();
    file(&broken, "queues.json", "{");
    let broken = broken.to_str().unwrap();
    let (code, error) = refused(&["up", "--port", "0", "--template", &path, "--data", broken]);
    assert_eq!(code, 1);
    assert!(
        error.starts_with(&format!("error: queues can't be kept in {broken}: queues.json: EOF")),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

async fn put(endpoint: &str, id: &str) {
    let client = local::dynamodb_client(endpoint).await;
    let id = aws_sdk_dynamodb::types::AttributeValue::S(id.to_owned());
    let put = client.put_item().table_name("records").item("id", id).send();
    put.await.unwrap();
}

async fn ids(endpoint: &str) -> Vec<String> {
    let client = local::dynamodb_client(endpoint).await;
    let items = client
        .scan()
        .table_name("records")
        .send()
        .await
        .unwrap()
        .items
        .unwrap_or_default();
    items.iter().map(|item| item["id"].as_s().unwrap().clone()).collect()
}

async fn messages(endpoint: &str) -> usize {
    let client = local::sqs_client(endpoint).await;
    let url = client
        .get_queue_url()
        .queue_name("orders")
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    let received = client.receive_message().queue_url(url).send().await.unwrap();
    received.messages().len()
}
