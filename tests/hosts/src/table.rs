//! All cases, and the tables of what became of their messages.

use std::collections::BTreeMap;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use clap::ValueEnum;
use cli::say;
use futures_util::{FutureExt, StreamExt, stream};

use crate::case::{Cell, play};
use crate::host::Host;
use crate::ledger::Store;
use crate::scenario::Scenario;
use crate::{Cli, Failed, text};

const PAGE: &str = "tests/README.md";

impl Store {
    /// The lines on the page between which its table is.
    fn marks(self) -> [&'static str; 2] {
        match self {
            Self::Dynamodb => ["<!-- hosts: begin -->\n", "<!-- hosts: end -->\n"],
            Self::Postgresql => [
                "<!-- hosts on postgresql: begin -->\n",
                "<!-- hosts on postgresql: end -->\n",
            ],
        }
    }
}

/// Whether all cases held, and the page has their tables.
///
/// # Errors
///
/// The page can't be read or written.
pub(crate) async fn run(args: &Cli) -> Result<bool, Failed> {
    let begun = Instant::now();
    let folder = std::env::temp_dir().join(format!("hosts-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let all = cases(args);
    let plays = all.iter().enumerate().map(async |(index, case)| {
        let begun = Instant::now();
        let playing = AssertUnwindSafe(play(args, &folder, *case)).catch_unwind();
        let cell = playing.await.unwrap_or_else(|_| Err("a panic, printed above".into()));
        let (store, scenario, host) = case;
        let (name, seconds) = (
            format!("{store:?} {host:?} {scenario:?}").to_lowercase(),
            begun.elapsed().as_secs_f32(),
        );
        match &cell {
            Ok(cell) => say!("held    {name:40} {seconds:5.1} s  {cell}"),
            Err(error) => say!("BROKEN  {name:40} {seconds:5.1} s  {}", text(error)),
        }
        (index, cell.ok())
    });
    let cells: BTreeMap<_, _> = stream::iter(plays).buffer_unordered(args.jobs).collect().await;
    let cells: Vec<_> = all.iter().copied().zip(cells.into_values()).collect();
    let tables: Vec<_> = chosen(args.store)
        .into_iter()
        .map(|store| (store, table(store, &cells)))
        .collect();
    tables.iter().for_each(|(_, table)| say!("{table}"));
    let held = cells.iter().filter(|(_, cell)| cell.is_some()).count();
    say!("{held} of {} held, {:.0?}", cells.len(), begun.elapsed());
    if held < cells.len() {
        say!("logs are in {}", folder.display());
        return Ok(false);
    }
    fs::remove_dir_all(&folder)?;
    match args.only.is_some() || args.host.is_some() || args.store.is_some() {
        true => Ok(true),
        false => on_page(&tables, args.write),
    }
}

/// Those that take longest are first, so that none is left alone at the end.
fn cases(args: &Cli) -> Vec<Cell> {
    let mut cases = Vec::new();
    for scenario in chosen(args.only) {
        for store in chosen(args.store).into_iter().filter(|store| scenario.is_on(*store)) {
            let hosts = chosen(args.host).into_iter().filter(|host| host.is_on(store));
            cases.extend(hosts.map(|host| (store, scenario, host)));
        }
    }
    cases.sort_by_key(|(_, scenario, _)| *scenario != Scenario::Orders);
    cases
}

fn chosen<T: ValueEnum + PartialEq + 'static>(only: Option<T>) -> Vec<T> {
    let all = T::value_variants().iter().cloned();
    all.filter(|each| only.as_ref().is_none_or(|only| only == each))
        .collect()
}

fn table(store: Store, cells: &[(Cell, Option<String>)]) -> String {
    let cells: Vec<_> = cells.iter().filter(|((on, ..), _)| *on == store).collect();
    let has = |host: &&Host| cells.iter().any(|((.., on), _)| on == *host);
    let hosts: Vec<_> = Host::value_variants().iter().filter(has).collect();
    let titles: String = hosts.iter().map(|host| format!(" {} |", host.title())).collect();
    let mut table = format!("| |{titles}\n|{}\n", "---|".repeat(hosts.len() + 1));
    for scenario in Scenario::value_variants() {
        let row = cells.iter().filter(|((_, of, _), _)| of == scenario);
        let row: String = row
            .map(|(_, cell)| format!(" {} |", cell.as_deref().unwrap_or("BROKEN")))
            .collect();
        if !row.is_empty() {
            table += &format!("| {} |{row}\n", scenario.title());
        }
    }
    table
}

/// Whether the page has the tables, after they are written to it if they should be.
fn on_page(tables: &[(Store, String)], write: bool) -> Result<bool, Failed> {
    let page = fs::read_to_string(PAGE)?;
    let mut renewed = page.clone();
    for (store, table) in tables {
        let [begin, end] = store.marks();
        let parts = renewed
            .split_once(begin)
            .and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
        let (before, after) = parts.ok_or_else(|| format!("{PAGE} has no place for the table: {}", begin.trim()))?;
        renewed = format!("{before}{begin}\n{table}\n{end}{after}");
    }
    if write {
        fs::write(PAGE, &renewed)?;
    } else if renewed != page {
        say!("{PAGE} has other tables: .ci/hosts --write writes them");
        return Ok(false);
    }
    Ok(true)
}
