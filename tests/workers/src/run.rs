//! Scenarios, each on its own queues, some side by side.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use cli::say;
use futures_util::{StreamExt, stream};
use tokio::sync::Mutex;

use crate::check::check;
use crate::harness::Harness;
use crate::ledger::Database;
use crate::process::children;
use crate::scenario::Scenario;
use crate::{Cli, Failed};

/// Where the ledger and the orders are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Store {
    /// The emulated DynamoDB
    Dynamodb,
    /// The servers of POSTGRES_TEST_URL and, for a database that is killed, POSTGRES_CRASH_URL and POSTGRES_CRASH
    Postgresql,
}

/// One scenario on one store with one seed.
#[derive(Debug, Clone, Copy)]
struct Case {
    store: Store,
    scenario: Scenario,
    seed: u64,
}

/// The servers of the environment.
#[derive(Debug, Default)]
struct Servers {
    database: Option<String>,
    /// A database that is killed, and the command that does it.
    crash: Option<(String, String)>,
    /// One scenario at a time kills it.
    crashing: Mutex<()>,
}

/// Whether every promise held in each.
///
/// # Errors
///
/// PostgreSQL is requested, and there is none.
pub(crate) async fn run(args: &Cli) -> Result<bool, Failed> {
    let servers = Servers::from_env();
    let stores: Vec<_> = match (args.store, &servers.database) {
        (Some(Store::Postgresql), None) => {
            return Err("POSTGRES_TEST_URL is not set: run `.ci/servers .ci/soak`".into());
        }
        (Some(store), _) => vec![store],
        (None, Some(_)) => vec![Store::Dynamodb, Store::Postgresql],
        (None, None) => {
            say!("not on PostgreSQL: POSTGRES_TEST_URL is not set; `.ci/servers .ci/soak` sets it");
            vec![Store::Dynamodb]
        }
    };
    let mut cases = Vec::new();
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        for store in &stores {
            let scenarios = <Scenario as clap::ValueEnum>::value_variants().iter();
            let chosen = scenarios.filter(|scenario| args.only.is_none_or(|only| only == **scenario));
            cases.extend(chosen.map(|scenario| Case {
                store: *store,
                scenario: *scenario,
                seed,
            }));
        }
    }
    let (begun, total) = (Instant::now(), cases.len());
    let runs = cases.into_iter().map(|case| case.run(args, &servers));
    let held = stream::iter(runs)
        .buffer_unordered(args.jobs)
        .filter(|held| std::future::ready(*held))
        .count()
        .await;
    let leaked = children()?;
    say!(
        "{held} of {total} held, {leaked} processes left, {:.0?}",
        begun.elapsed()
    );
    Ok(held == total && leaked == 0)
}

impl Servers {
    fn from_env() -> Self {
        let set = |name| std::env::var(name).ok();
        Self {
            database: set("POSTGRES_TEST_URL"),
            crash: set("POSTGRES_CRASH_URL").zip(set("POSTGRES_CRASH")),
            crashing: Mutex::new(()),
        }
    }
}

impl Case {
    /// Runs it and prints its line. Whether it held.
    async fn run(self, args: &Cli, servers: &Servers) -> bool {
        let Self { store, scenario, seed } = self;
        let begun = Instant::now();
        let name = format!("{store:?} {scenario:?} seed {seed}").to_lowercase();
        let folder = std::env::temp_dir()
            .join(format!("workers-{}", std::process::id()))
            .join(name.replace(' ', "-"));
        let result = self.play(args, servers, folder.clone()).await;
        let seconds = begun.elapsed().as_secs_f32();
        match result {
            Ok(shown) => {
                say!("held    {name:28} {seconds:5.1} s  {shown}");
                let _ = fs::remove_dir_all(&folder);
                true
            }
            Err(error) => {
                let causes: Vec<_> = cli::causes(&*error).map(ToString::to_string).collect();
                say!(
                    "BROKEN  {name:28} {seconds:5.1} s  {}; logs in {}",
                    causes.join(": "),
                    folder.display()
                );
                false
            }
        }
    }

    async fn play(self, args: &Cli, servers: &Servers, folder: PathBuf) -> Result<String, Failed> {
        let (crash, _alone) = match (self.store, self.scenario, &servers.crash) {
            (Store::Postgresql, Scenario::Cuts, Some(crash)) => (Some(crash), Some(servers.crashing.lock().await)),
            _ => (None, None),
        };
        let database = match (self.store, crash, &servers.database) {
            (Store::Postgresql, Some((url, _)), _) | (Store::Postgresql, None, Some(url)) => {
                let schema = format!("workers_{:?}_{}", self.scenario, self.seed).to_lowercase();
                Some(Database::create(url, &schema).await?)
            }
            _ => None,
        };
        let mut harness = Harness::start(&args.programs, folder, database, self.seed, self.scenario.pace()).await?;
        let command = crash.map(|(_, command)| command.as_str());
        let shown = self.scenario.play(&mut harness, command).await?;
        let figures = check(&harness).await?;
        if self.scenario.must_redeliver() && figures.redelivered == 0 {
            return Err("no message was redelivered: it shows nothing".into());
        }
        Ok(format!(
            "{shown}; {} messages, {} redelivered, {} dead letters, {} effects repeated and explained",
            figures.messages, figures.redelivered, figures.dead_letters, figures.repeated
        ))
    }
}
