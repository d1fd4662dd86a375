use std::future::Future;

use tokio::time::Instant;

use super::*;

/// The bodies a waiting receive gets while something else happens, and after how many seconds.
async fn waiting(client: &Client, seconds: u64, meanwhile: impl Future<Output = ()>) -> (Vec<String>, u64) {
    let start = Instant::now();
    let receive = async {
        let messages = client.receive_with(json!({ "WaitTimeSeconds": seconds })).await;
        (messages, start.elapsed().as_secs())
    };
    let ((messages, elapsed), ()) = tokio::join!(receive, meanwhile);
    (messages.iter().map(|message| text(&message["Body"])).collect(), elapsed)
}

async fn after(seconds: u64, then: impl Future) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    then.await;
}

fn got(body: &str, seconds: u64) -> (Vec<String>, u64) {
    (vec![body.to_owned()], seconds)
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_is_waited_at_for_the_whole_time() {
    let client = Client::standard().await;
    assert_eq!(waiting(&client, 20, async {}).await, (vec![], 20));
    let too_long = json!({ "WaitTimeSeconds": 21 });
    assert_eq!(
        client.refused("ReceiveMessage", too_long).await,
        "InvalidParameterValueException"
    );
}

#[tokio::test(start_paused = true)]
async fn the_queue_has_a_default_wait_time() {
    let client = Client::with(json!({ "ReceiveMessageWaitTimeSeconds": "7" })).await;
    let start = Instant::now();
    client.receive().await;
    assert_eq!(start.elapsed().as_secs(), 7);
    client.receive_with(json!({ "WaitTimeSeconds": 0 })).await;
    assert_eq!(start.elapsed().as_secs(), 7, "a call may name its own");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_there_is_received_without_waiting() {
    let client = Client::standard().await;
    client.send("a").await;
    assert_eq!(waiting(&client, 20, async {}).await, got("a", 0));
}

#[tokio::test(start_paused = true)]
async fn a_send_ends_the_wait() {
    let client = Client::standard().await;
    assert_eq!(waiting(&client, 20, after(3, client.send("a"))).await, got("a", 3));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_delay_ends_the_wait() {
    let client = Client::standard().await;
    let delayed = client.ok("SendMessage", json!({ "MessageBody": "a", "DelaySeconds": 4 }));
    assert_eq!(waiting(&client, 20, after(3, delayed)).await, got("a", 7));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_visibility_timeout_ends_the_wait() {
    let client = Client::standard().await;
    client.send("a").await;
    client.receive_with(json!({ "VisibilityTimeout": 6 })).await;
    assert_eq!(waiting(&client, 20, async {}).await, got("a", 6));
}

#[tokio::test(start_paused = true)]
async fn a_visibility_timeout_set_to_zero_ends_the_wait() {
    let client = Client::standard().await;
    client.send("a").await;
    let message = client.receive_one().await;
    assert_eq!(
        waiting(&client, 20, after(2, client.change_visibility(&message, 0))).await,
        got("a", 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_visibility_timeout_made_longer_prolongs_the_wait() {
    let client = Client::standard().await;
    client.send("a").await;
    let message = client.receive_with(json!({ "VisibilityTimeout": 5 })).await.remove(0);
    assert_eq!(
        waiting(&client, 20, after(2, client.change_visibility(&message, 10))).await,
        got("a", 12)
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_that_becomes_free_ends_the_wait() {
    let client = Client::fifo().await;
    client.send_in_group("g", "a1").await;
    let message = client.receive_one().await;
    client.send_in_group("g", "a2").await;
    assert_eq!(
        waiting(&client, 20, after(5, client.delete(&message))).await,
        got("a2", 5)
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_deleted_meanwhile_ends_the_wait() {
    let client = Client::standard().await;
    let start = Instant::now();
    let receive = client.call("ReceiveMessage", json!({ "WaitTimeSeconds": 20 }));
    let (answer, ()) = tokio::join!(receive, after(2, client.ok("DeleteQueue", json!({}))));
    assert_eq!(answer.unwrap_err().name(), "QueueDoesNotExist");
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_several_waiting_receivers_one_gets_the_message() {
    let client = Client::standard().await;
    let wait = || waiting(&client, 20, async {});
    let (a, b, c, ()) = tokio::join!(wait(), wait(), wait(), after(3, client.send("a")));
    let mut waits = [a.1, b.1, c.1];
    waits.sort_unstable();
    assert_eq!(waits, [3, 20, 20]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_goes_away_while_waiting_has_received_nothing() {
    let client = Client::standard().await;
    let receive = client.receive_with(json!({ "WaitTimeSeconds": 20 }));
    assert!(tokio::time::timeout(Duration::from_secs(1), receive).await.is_err());
    client.send("a").await;
    assert_eq!(client.sqs.peek("orders")[0].receive_count, 0);
}

#[test]
fn a_call_can_run_on_any_thread() {
    fn assert_send(_: impl Send) {}
    let sqs = Sqs::new(ENDPOINT, "eu-central-1");
    assert_send(sqs.call("ReceiveMessage", json!({})));
}

#[tokio::test(start_paused = true)]
async fn ended_waits_are_answered_with_no_message() {
    let client = Client::standard().await;
    let end = after(3, async { client.sqs.end_waits("orders") });
    assert_eq!(waiting(&client, 20, end).await, (vec![], 3));
    let end = after(3, async { client.sqs.end_waits("others") });
    assert_eq!(waiting(&client, 20, end).await, (vec![], 20));
}
