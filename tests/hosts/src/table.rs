//! All cases, and the table of what became of their messages.

use std::collections::BTreeMap;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use clap::ValueEnum;
use cli::say;
use futures_util::{FutureExt, StreamExt, stream};

use crate::case::play;
use crate::host::Host;
use crate::scenario::Scenario;
use crate::{Cli, Failed, text};

const PAGE: &str = "tests/README.md";
const BEGIN: &str = "<!-- hosts: begin -->\n";
const END: &str = "<!-- hosts: end -->\n";

/// Whether all cases held, and the page has their table.
///
/// # Errors
///
/// The page can't be read or written.
pub(crate) async fn run(args: &Cli) -> Result<bool, Failed> {
    let begun = Instant::now();
    let folder = std::env::temp_dir().join(format!("hosts-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let (scenarios, hosts) = (chosen(args.only), chosen(args.host));
    let each = scenarios
        .iter()
        .flat_map(|scenario| hosts.iter().map(|host| (*scenario, *host)));
    let plays = each.enumerate().map(async |(index, (scenario, host))| {
        let begun = Instant::now();
        let playing = AssertUnwindSafe(play(args, &folder, scenario, host)).catch_unwind();
        let cell = playing.await.unwrap_or_else(|_| Err("a panic, printed above".into()));
        let (name, seconds) = (
            format!("{host:?} {scenario:?}").to_lowercase(),
            begun.elapsed().as_secs_f32(),
        );
        match &cell {
            Ok(cell) => say!("held    {name:30} {seconds:5.1} s  {cell}"),
            Err(error) => say!("BROKEN  {name:30} {seconds:5.1} s  {}", text(error)),
        }
        (index, cell.ok())
    });
    let cells: BTreeMap<_, _> = stream::iter(plays).buffer_unordered(args.jobs).collect().await;
    let cells: Vec<_> = cells.into_values().collect();
    let held = cells.iter().flatten().count();
    let table = table(&scenarios, &hosts, &cells);
    say!("{table}\n{held} of {} held, {:.0?}", cells.len(), begun.elapsed());
    if held < cells.len() {
        say!("logs are in {}", folder.display());
        return Ok(false);
    }
    fs::remove_dir_all(&folder)?;
    match args.only.is_some() || args.host.is_some() {
        true => Ok(true),
        false => on_page(&table, args.write),
    }
}

fn chosen<T: ValueEnum + PartialEq + 'static>(only: Option<T>) -> Vec<T> {
    let all = T::value_variants().iter().cloned();
    all.filter(|each| only.as_ref().is_none_or(|only| only == each))
        .collect()
}

fn table(scenarios: &[Scenario], hosts: &[Host], cells: &[Option<String>]) -> String {
    let titles: String = hosts.iter().map(|host| format!(" {} |", host.title())).collect();
    let mut table = format!("| |{titles}\n|{}\n", "---|".repeat(hosts.len() + 1));
    for (scenario, row) in scenarios.iter().zip(cells.chunks(hosts.len())) {
        let cell = |cell: &Option<String>| format!(" {} |", cell.as_deref().unwrap_or("BROKEN"));
        table += &format!("| {} |{}\n", scenario.title(), row.iter().map(cell).collect::<String>());
    }
    table
}

/// Whether the page has the table, after it is written to it if it should be.
fn on_page(table: &str, write: bool) -> Result<bool, Failed> {
    let page = fs::read_to_string(PAGE)?;
    let parts = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("{PAGE} has no place for the table"))?;
    let renewed = format!("{before}{BEGIN}\n{table}\n{END}{after}");
    if write {
        fs::write(PAGE, &renewed)?;
    } else if renewed != page {
        say!("{PAGE} has another table: .ci/hosts --write writes it");
        return Ok(false);
    }
    Ok(true)
}
