//! Asking before something is done that can't be undone.

use std::io::{self, IsTerminal, Write};

/// Whether to go on. Asks on the terminal, unless `yes` says it beforehand.
///
/// # Errors
///
/// In one line what to do when there is nobody to ask.
pub(crate) fn confirmed(question: &str, yes: bool) -> Result<bool, String> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err("nobody to ask, for this is no terminal: say --yes to do it unasked".to_owned());
    }
    eprint!("{question} [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| format!("no answer can be read: {error}"))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
