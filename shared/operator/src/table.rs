//! The ledger's table.

use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use idempotency::DynamoDbStore;

use crate::endpoint::EndpointArgs;
use crate::trouble;

/// Read to learn whether there is a table: nobody has this record.
const NOBODYS: &str = "operator#is-there-a-table";

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
    /// The ledger in the table, which is there.
    ///
    /// # Errors
    ///
    /// In one line why it can't be read: before a person is asked, and before any letter is received, of which each would
    /// fail by itself.
    pub(crate) async fn ledger(&self, endpoint: &EndpointArgs) -> Result<DynamoDbStore, String> {
        let dynamodb = endpoint.dynamodb().await?;
        let request = dynamodb.client.get_item().table_name(&self.name);
        let read = request.key("id", AttributeValue::S(NOBODYS.to_owned())).send().await;
        let name = &self.name;
        match read {
            Ok(_) => Ok(DynamoDbStore::new(dynamodb.client, name)),
            Err(error) => Err(match error.as_service_error() {
                Some(GetItemError::ResourceNotFoundException(_)) => format!(
                    "there is no table {name}: name the ledger's with --table, such as prod-idempotency, or with \
                     IDEMPOTENCY_TABLE"
                ),
                _ => trouble::told(&format!("table {name}"), &error, &dynamodb.place),
            }),
        }
    }
}
