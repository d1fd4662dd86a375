//! The ledger's table.

use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use idempotency::DynamoDbStore;

use crate::endpoint::EndpointArgs;
use crate::error;

/// A record that does not exist, read to check that the table exists.
const PROBE_ID: &str = "operator#is-there-a-table";

/// The ledger's table.
#[derive(Args)]
pub(crate) struct TableArgs {
    /// The ledger's table
    #[arg(
        long = "table",
        value_name = "NAME",
        env = "IDEMPOTENCY_TABLE",
        default_value = "idempotency"
    )]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
}

impl TableArgs {
    /// The ledger in the table. Checks that the table can be read, before a confirmation is requested and before dead
    /// letters are received, because each of them would fail.
    ///
    /// # Errors
    ///
    /// One line: why the table cannot be read.
    pub(crate) async fn ledger(&self, endpoint: &EndpointArgs) -> Result<DynamoDbStore, String> {
        let dynamodb = endpoint.dynamodb().await?;
        let request = dynamodb.client.get_item().table_name(&self.name);
        let read = request.key("id", AttributeValue::S(PROBE_ID.to_owned())).send().await;
        let name = &self.name;
        match read {
            Ok(_) => Ok(DynamoDbStore::new(dynamodb.client, name)),
            Err(error) => Err(match error.as_service_error() {
                Some(GetItemError::ResourceNotFoundException(_)) => format!(
                    "there is no table {name}: pass the ledger's table, such as prod-idempotency, with --table or \
                     IDEMPOTENCY_TABLE"
                ),
                _ => error::describe(&format!("table {name}"), &error, &dynamodb.endpoint),
            }),
        }
    }
}
