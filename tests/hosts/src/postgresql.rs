//! A ledger in PostgreSQL: a schema of its own for each case, behind a proxy.

use idempotency::Key;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::{Client, Row};
use workers::{Database, Found, Loss, Proxy};

use crate::{Failed, until, variable};

/// What a claim contains, and a commit without a claim, and no other request.
pub(crate) const CLAIM: &str = "INSERT INTO";

/// What a completion contains, and no other request.
pub(crate) const COMPLETION: &str = "COMPLETED";

/// One case at a time kills the server.
static KILLING: Mutex<()> = Mutex::const_new(());

/// The ledger of one case, and its tables of orders.
pub(crate) struct Postgresql {
    database: Database,
    /// Between the processes and the server.
    pub(crate) proxy: Proxy,
    client: Mutex<Option<Client>>,
}

impl Postgresql {
    /// On the server that is killed and started again, or on one that is not.
    pub(crate) async fn start(is_killed: bool) -> Result<Self, Failed> {
        let url = variable(if is_killed {
            "POSTGRES_CRASH_URL"
        } else {
            "POSTGRES_TEST_URL"
        })?;
        let schema = format!("hosts_{:016x}", fastrand::u64(..));
        let database = answered(async || Database::create(&url, &schema).await).await?;
        let proxy = Proxy::start_counting(&database.address, &[CLAIM, COMPLETION]).await?;
        Ok(Self {
            database,
            proxy,
            client: Mutex::new(None),
        })
    }

    /// Through the proxy.
    pub(crate) fn url(&self) -> String {
        self.database.url_at(&self.proxy.address.to_string())
    }

    /// Loses the reply to the next request that contains this, after it is committed.
    pub(crate) fn lose_reply(&self, request: &'static str) {
        self.proxy.lose(Loss::of_postgresql(request));
    }

    pub(crate) async fn status(&self, key: &Key) -> Result<String, Failed> {
        let row = self.row("SELECT status FROM ledger WHERE id = $1", key).await?;
        Ok(row.map_or_else(String::new, |row| row.get(0)))
    }

    pub(crate) async fn end_lease(&self, key: &Key) -> Result<(), Failed> {
        let end = "UPDATE ledger SET in_progress_expiration = 1 WHERE id = $1 AND status = 'INPROGRESS' RETURNING id";
        let ended = self.row(end, key).await?;
        ended.map(drop).ok_or_else(|| "no record is in progress".into())
    }

    /// What its tables hold.
    pub(crate) async fn found(&self) -> Result<Found, Failed> {
        answered(async || self.database.found().await).await
    }

    async fn row(&self, statement: &str, key: &Key) -> Result<Option<Row>, Failed> {
        let mut kept = self.client.lock().await;
        answered(async || {
            let client = match kept.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => self.database.connect().await?,
            };
            let row = client.query_opt(statement, &[&key.record_id()]).await?;
            *kept = Some(client);
            Ok(row)
        })
        .await
    }

    /// Waits until no other case kills the server, and until it answers.
    pub(crate) async fn reserve(&self) -> Result<Reserved, Failed> {
        let alone = KILLING.lock().await;
        let client = answered(async || self.database.connect().await).await?;
        Ok(Reserved { _alone: alone, client })
    }
}

/// A server that this case may kill.
pub(crate) struct Reserved {
    _alone: MutexGuard<'static, ()>,
    client: Client,
}

impl Reserved {
    /// Kills the server with SIGKILL. It is dead when this returns, and is being started again.
    pub(crate) async fn kill(self) -> Result<Restarting, Failed> {
        let mut command = Command::new("bash");
        let script = command.arg(variable("POSTGRES_CRASH")?).kill_on_drop(true).spawn()?;
        until("the database is dead", async || Ok(self.client.is_closed())).await?;
        Ok(Restarting {
            _alone: self._alone,
            script,
        })
    }
}

/// A server that is being started again.
pub(crate) struct Restarting {
    _alone: MutexGuard<'static, ()>,
    script: Child,
}

impl Restarting {
    /// Waits until it answers.
    pub(crate) async fn started(mut self) -> Result<(), Failed> {
        match self.script.wait().await?.success() {
            true => Ok(()),
            false => Err("the database does not start again".into()),
        }
    }
}

/// The answer of the server, as soon as it gives one: another case may have killed it.
async fn answered<T>(mut request: impl AsyncFnMut() -> Result<T, Failed>) -> Result<T, Failed> {
    let (mut answer, mut error) = (None, None);
    let waited = until("the database answers", async || {
        match request().await {
            Ok(given) => answer = Some(given),
            Err(failed) => error = Some(failed),
        }
        Ok(answer.is_some())
    })
    .await;
    match (answer, error) {
        (Some(answer), _) => Ok(answer),
        (None, Some(error)) => Err(error),
        (None, None) => waited.and(Err("no answer".into())),
    }
}
