//! `jobhost info`: how many jobs of each queue are in which state.

use std::fmt::Write;

use jobhost_queue::Counts;
use serde_json::{Map, json};

use super::args::{GlobalArgs, InfoArgs};
use super::ids::find_queues;
use super::output::{Output, Paint};
use super::{load_to_look, open_to_look};
use crate::exit::{CliError, Exit};

pub(super) async fn run(global: &GlobalArgs, args: InfoArgs, output: Output) -> Result<Exit, CliError> {
    let config = load_to_look(global)?;
    let wanted = [args.queues, args.more_queues].concat();
    let queues = find_queues(&config, &wanted)?;
    let store = open_to_look(&config).await?;
    let mut counts = Vec::with_capacity(queues.len());
    for queue in queues {
        let counted = match &store {
            Some(store) => store.counts(&queue.channel).await?,
            None => Counts::default(),
        };
        counts.push((queue.name.as_str(), counted));
    }
    let by_queue: Map<_, _> = counts.iter().map(|(name, counts)| ((*name).to_owned(), json!(counts))).collect();
    output.answer(&json!({ "queues": by_queue }), |paint| text(&counts, *paint))?;
    Ok(Exit::Success)
}

/// As yii2's `queue/info` prints it, with a heading where there are several.
fn text(all: &[(&str, Counts)], paint: Paint) -> String {
    let mut text = String::new();
    for (index, (name, counts)) in all.iter().enumerate() {
        if all.len() > 1 {
            let gap = if index > 0 { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{name}");
        }
        let _ = writeln!(text, "{}", paint.good("Jobs"));
        for (label, count) in [
            ("waiting", counts.waiting),
            ("delayed", counts.delayed),
            ("reserved", counts.reserved),
            ("done", counts.done),
            ("failed", counts.failed),
        ] {
            let _ = writeln!(text, "- {} {count}", paint.label(&format!("{label}:")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::ColorWhen;

    #[test]
    fn one_queue_is_printed_like_yii2_prints_it() {
        let counts = Counts { done: 1, ..Counts::default() };
        assert_eq!(
            text(&[("copy-asset", counts)], Paint::new(ColorWhen::Never, false, false)),
            "Jobs\n- waiting: 0\n- delayed: 0\n- reserved: 0\n- done: 1\n- failed: 0\n"
        );
    }

    #[test]
    fn several_queues_have_headings() {
        let counts = Counts::default();
        let printed = text(&[("a", counts), ("b", counts)], Paint::new(ColorWhen::Never, false, false));
        assert!(printed.starts_with("a\nJobs\n- waiting: 0\n"), "{printed}");
        assert!(printed.contains("- failed: 0\n\nb\nJobs\n"), "{printed}");
    }
}
