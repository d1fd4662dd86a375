//! Scenarios, each on its own queues, some side by side.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use cli::say;
use futures_util::{StreamExt, stream};

use crate::check::check;
use crate::harness::Harness;
use crate::process::children;
use crate::queues::Queues;
use crate::scenario::{Crash, Scenario};
use crate::servers::{Servers, System};
use crate::{Cli, Failed};

/// One scenario on one system with one seed.
#[derive(Debug, Clone, Copy)]
struct Case {
    system: System,
    scenario: Scenario,
    seed: u64,
}

/// Whether every promise held in each.
///
/// # Errors
///
/// A system is requested whose servers are missing.
pub(crate) async fn run(args: &Cli) -> Result<bool, Failed> {
    let servers = Servers::from_env();
    let systems = servers.systems(args.system)?;
    if let Some(broker) = servers
        .broker
        .as_ref()
        .filter(|_| systems.contains(&System::OnPremises))
    {
        broker.trace().await?;
    }
    let cases = cases(args, &systems);
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

fn cases(args: &Cli, systems: &[System]) -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let scenarios = Scenario::value_variants().iter().copied();
        for scenario in scenarios.filter(|scenario| args.only.is_none_or(|only| only == *scenario)) {
            let suitable = systems.iter().copied().filter(|system| scenario.is_for(*system));
            cases.extend(suitable.map(|system| Case { system, scenario, seed }));
        }
    }
    cases
}

impl Case {
    /// Runs it and prints its line. Whether it held.
    async fn run(self, args: &Cli, servers: &Servers) -> bool {
        let Self { system, scenario, seed } = self;
        let _reserved = servers.reserve(system, scenario).await;
        let begun = Instant::now();
        let name = format!("{system:?} {scenario:?} seed {seed}").to_lowercase();
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
        let Self { system, scenario, seed } = self;
        let crash = servers.crash.as_ref().filter(|_| scenario.kills_database(system));
        let name = format!("workers_{scenario:?}_{seed}").to_lowercase();
        let own = crash.map(|(url, _)| url.as_str());
        let (queues, database) = servers.start(system, &name, scenario == Scenario::Ordered, own).await?;
        let mut harness = Harness::start(&args.programs, folder, queues, database, seed, scenario.pace()).await?;
        let crash = Crash {
            database: crash.map(|(_, command)| command.as_str()),
            broker: servers.broker.as_ref(),
        };
        let shown = scenario.play(&mut harness, &crash).await?;
        let figures = check(&harness).await?;
        if let Queues::RabbitMq(broker) = &harness.queues {
            broker.delete().await?;
        }
        if scenario.must_redeliver() && figures.redelivered == 0 {
            return Err("no message was redelivered: it shows nothing".into());
        }
        Ok(format!(
            "{shown}; {} messages, {} redelivered, {} dead letters, {} effects repeated and explained",
            figures.messages, figures.redelivered, figures.dead_letters, figures.repeated
        ))
    }
}
