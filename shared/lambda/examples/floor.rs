//! The floor under every function's cost: the Lambda runtime alone, which acknowledges each message of an SQS event and does
//! nothing else. What other functions cost is stated as a multiple of it.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(acknowledge)).await
}

/// A response without failures: Lambda deletes all messages of the event.
async fn acknowledge(_: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    Ok(SqsBatchResponse::default())
}
