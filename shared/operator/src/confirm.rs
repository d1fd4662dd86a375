//! Confirmation before an action that cannot be undone.

use std::io::{self, IsTerminal, Write};

/// Whether to go on. Asks on the terminal, unless `yes` confirms in advance.
///
/// # Errors
///
/// One line: standard input is not a terminal, or cannot be read.
pub(crate) fn confirmed(question: &str, yes: bool) -> Result<bool, String> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(
            "confirmation required, but standard input is not a terminal: pass --yes to run without confirmation"
                .to_owned(),
        );
    }
    eprint!("{question} [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| format!("cannot read the answer from standard input: {error}"))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
