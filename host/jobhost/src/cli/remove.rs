//! `jobhost remove`: takes a job out of its queue that is not done yet.

use serde_json::json;

use super::args::{GlobalArgs, RemoveArgs};
use super::ids::{FullId, find_job};
use super::output::Output;
use super::{load_to_look, open_to_look};
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, args: &RemoveArgs, output: Output) -> Result<Exit, CliError> {
    let config = load_to_look(global)?;
    let (queue, id) = find_job(&config, args.queue.as_deref(), &args.id)?;
    let full = FullId::new(queue, id);
    let removed = match open_to_look(&config).await? {
        Some(store) => store.remove(&queue.channel, id).await?,
        None => false,
    };
    if !removed {
        return Err(CliError::NotSo(format!(
            "job {full} is neither waiting nor delayed nor reserved; `jobhost status {full}` tells what is known of it"
        )));
    }
    output.answer(&json!({ "removed": [full] }), |_| format!("{full} is removed\n"))?;
    Ok(Exit::Success)
}
