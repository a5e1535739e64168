//! `jobhost clear`: empties a queue, after asking.

use std::io::{self, BufRead, IsTerminal};

use serde_json::json;

use super::args::{ClearArgs, GlobalArgs};
use super::ids::one_queue;
use super::output::{Output, ask};
use super::{load_to_look, open_to_look};
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, args: &ClearArgs, output: Output) -> Result<Exit, CliError> {
    let config = load_to_look(global)?;
    let wanted = args.queue.as_deref().or(args.queue_option.as_deref());
    let queue = one_queue(&config, wanted)?;
    if !args.yes && !confirmed(&queue.name)? {
        return Err(CliError::NotSo(format!("queue `{}` was not cleared", queue.name)));
    }
    let removed = match open_to_look(&config).await? {
        Some(store) => store.clear(&queue.channel).await?,
        None => 0,
    };
    output.answer(&json!({ "queue": queue.name, "removed": removed }), |_| {
        format!("{removed} jobs of {} are removed\n", queue.name)
    })?;
    Ok(Exit::Success)
}

/// Asks on the terminal. Without one nobody could answer.
fn confirmed(queue: &str) -> Result<bool, CliError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::Usage(format!(
            "clearing `{queue}` removes all its jobs; say --yes where there is no terminal to ask"
        )));
    }
    ask(&format!("Remove all waiting, delayed and reserved jobs of {queue}? (yes|no) [no]: "));
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CliError::Stream { what: "the answer cannot be read".to_owned(), error })?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_clears() {
        assert!(is_yes("yes\n") && is_yes(" Y \n"));
        assert!(!is_yes("\n") && !is_yes("no\n") && !is_yes("yesterday") && !is_yes(""));
    }
}
