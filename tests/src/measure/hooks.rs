//! What a hook costs: the time of an after-exec hook beside that of the attempt of the same job. Both are small guests
//! in Rust, each in a sandbox of its own, one job at a time.

use super::figure::load_now;
use super::stream::Stream;
use super::{Figure, Goal, Unit, push_lines};
use crate::artifacts::guest;
use crate::workplace::Workplace;

const JOBS: usize = 5_000;
/// The first ones meet caches that are cold.
const WARM_UP: usize = 500;

pub(super) fn run() -> Vec<Figure> {
    let load = load_now();
    let place = Workplace::redis();
    place.configure(&format!(
        "[queues.work]\nhooks = ['hook']\nretain = {{ done = \"0s\" }}\n\
         [plugins.it]\npath = '{}'\njobs = ['*']\n[plugins.hook]\npath = '{}'\njobs = []\n",
        guest("echo").display(),
        guest("after-exec-only").display()
    ));
    let worker = Stream::listen(&place, &["--concurrency", "1"]);
    push_lines(&place, "work", "{\"name\":\"Echo\",\"payload\":{\"value\":1}}\n".repeat(WARM_UP + JOBS));
    let (mut attempts, mut hooks) = (Vec::new(), Vec::new());
    while attempts.len() < WARM_UP + JOBS {
        let told = worker.next();
        match told.kind() {
            "done" => {
                attempts.push(told.duration_us());
                hooks.push(told.event["record"]["hooks_us"].as_u64().unwrap_or_default());
            }
            "failed" | "lost" => panic!("{}", told.event),
            _ => {}
        }
    }
    let (attempts, hooks) = (attempts.split_off(WARM_UP), hooks.split_off(WARM_UP));
    let attempts = Figure::new("hooks: the attempt", Unit::Micros, attempts, &load);
    let hooks = Figure::new("hooks: the after-exec hook of its job", Unit::Micros, hooks, &load);
    let [of_attempt, of_hook] = [&attempts, &hooks].map(|figure| figure.percentile(50));
    let hundredths = of_hook * 100 / of_attempt.max(1);
    let note = format!("p50 is {}.{:02} times that of the attempt", hundredths / 100, hundredths % 100);
    vec![attempts, hooks.noted(note).reaches(Goal::P50(of_attempt * 12 / 10))]
}
