//! The jobs of a chaos run, and what becomes of their pushes.

use serde_json::json;

use super::dice::Dice;
use super::others::SHARED;
use crate::workplace::Workplace;

/// After so many attempts a job fails for good.
pub(crate) const ATTEMPTS: u64 = 4;

/// A job that somebody wanted to push.
pub(crate) struct Planned {
    pub(crate) queue: &'static str,
    /// The attempt that succeeds; above [`ATTEMPTS`] none does.
    pub(crate) good: u64,
    /// Whether it pushes a follow-up when it is done.
    pub(crate) chained: bool,
}

/// What is known of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was answered.
    Stored,
    /// It was answered that it is not.
    Refused,
    /// The store went away or the pusher was killed: all of it is stored, or nothing.
    Uncertain,
    /// An answer that there must not be.
    Wrong(String),
}

/// All jobs pushed so far.
#[derive(Default)]
pub(crate) struct Load {
    jobs: Vec<Planned>,
    /// Where each push ended, and how.
    batches: Vec<(usize, Fate)>,
}

impl Load {
    /// Configures the place: a queue `work`, whose chained jobs push to `next`, and `shared`,
    /// which other programs serve, too.
    pub(crate) fn configure(place: &Workplace, store: &str) {
        place.make_folder("marks");
        let guest = crate::artifacts::guest("leave-marks");
        // Crashes are the test's trade here; that poison is found has tests of its own.
        let queue = |name: &str, attempts: u64| {
            format!(
                "[queues.{name}]\nttr = \"20s\"\nattempts = {attempts}\nmax-crashes = 1000\n\
                 backoff = {{ initial = \"100ms\", max = \"500ms\" }}\n"
            )
        };
        place.configure_with(&format!(
            "store = \"{store}\"\nshutdown-grace = \"1s\"\n{}{}{}[plugins.it]\npath = '{}'\njobs = [\"*\"]\n\
             grants = {{ queues = [\"next\"], fs = [{{ host = \"marks\", guest = \"/marks\", mode = \"rw\" }}] }}\n",
            queue("work", ATTEMPTS),
            queue("next", ATTEMPTS),
            // Another program counts the attempt that it died with.
            queue(SHARED, 1_000),
            guest.display()
        ));
    }

    /// How many were to be pushed.
    pub(crate) fn len(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// Jobs of all kinds for one push, a line each; [`Self::end_batch`] follows.
    pub(crate) fn plan(&mut self, dice: &mut Dice, queue: &'static str, jobs: u64) -> String {
        (0..jobs).map(|_| self.plan_one(dice, queue)).collect()
    }

    /// What became of the push.
    pub(crate) fn end_batch(&mut self, fate: Fate) {
        self.batches.push((self.jobs.len(), fate));
    }

    fn plan_one(&mut self, dice: &mut Dice, queue: &'static str) -> String {
        let number = self.jobs.len();
        // Most are short, some take as long as a worker lives.
        let ms = if dice.percent(4) { dice.below(1_500) } else { dice.below(120) };
        let good = match dice.below(100) {
            _ if queue == SHARED => 1,
            0..75 => 1,
            75..97 => 2 + dice.below(ATTEMPTS - 1),
            _ => ATTEMPTS + 1,
        };
        let chained = queue == "work" && dice.percent(40);
        let after = json!({"mark": format!("/marks/{number}-after"), "ms": 1, "good": 1}).to_string();
        let payload = json!({
            "mark": format!("/marks/{number}"), "ms": ms, "good": good,
            "next": if chained { "next" } else { "" }, "after": after,
        });
        let mut line = json!({"name": "Leave", "payload": payload});
        if dice.percent(15) {
            line["delay"] = json!(format!("{}ms", dice.below(3_000)));
        }
        self.jobs.push(Planned { queue, good, chained });
        format!("{line}\n")
    }

    /// Each push: its jobs and their numbers, and what became of it.
    pub(crate) fn batches(&self) -> impl Iterator<Item = (Vec<(usize, &Planned)>, &Fate)> {
        let mut first = 0;
        self.batches.iter().map(move |(end, fate)| {
            let jobs = (first..*end).map(|number| (number, &self.jobs[number])).collect();
            first = *end;
            (jobs, fate)
        })
    }
}
