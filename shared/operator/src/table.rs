//! Where the ledger is: a table of DynamoDB, or a database.

use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use idempotency::DynamoDbStore;

use crate::database::DatabaseArgs;
use crate::endpoint::EndpointArgs;
use crate::error;
use crate::ledger::Ledger;

/// A record that does not exist, read to check that the table exists.
const PROBE_ID: &str = "operator#is-there-a-table";

/// The table of the local stack.
const DEFAULT_TABLE: &str = "idempotency";

/// The ledger's table, or its database.
#[derive(Args)]
pub(crate) struct TableArgs {
    /// The ledger's table in DynamoDB [default: idempotency]
    #[arg(long = "table", value_name = "NAME", env = "IDEMPOTENCY_TABLE")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl TableArgs {
    /// The ledger. Checks that it can be read, before a confirmation is requested and before dead letters are received,
    /// because each of them would fail.
    ///
    /// # Errors
    ///
    /// One line: why it cannot be read, or that it is not clear which.
    pub(crate) async fn ledger(&self, endpoint: &EndpointArgs) -> Result<Ledger, String> {
        match (self.database.is_given(), &self.name) {
            (true, Some(table)) => Err(format!(
                "both a table of DynamoDB ({table}) and a database are given: records are in one of them; leave out \
                 --table and IDEMPOTENCY_TABLE, or --database-url and DATABASE_URL"
            )),
            (true, None) => {
                let (store, table) = self.database.connect().await?;
                Ok(Ledger::on_postgresql(store, table))
            }
            (false, name) => on_dynamodb(name.as_deref().unwrap_or(DEFAULT_TABLE), endpoint).await,
        }
    }
}

async fn on_dynamodb(name: &str, endpoint: &EndpointArgs) -> Result<Ledger, String> {
    let dynamodb = endpoint.dynamodb().await?;
    let request = dynamodb.client.get_item().table_name(name);
    let read = request.key("id", AttributeValue::S(PROBE_ID.to_owned())).send().await;
    match read {
        Ok(_) => Ok(Ledger::on_dynamodb(DynamoDbStore::new(dynamodb.client, name), name)),
        Err(error) => Err(match error.as_service_error() {
            Some(GetItemError::ResourceNotFoundException(_)) => format!(
                "there is no table {name}: pass the ledger's table, such as prod-idempotency, with --table or \
                 IDEMPOTENCY_TABLE"
            ),
            _ => error::describe(&format!("table {name}"), &error, &dynamodb.endpoint),
        }),
    }
}
