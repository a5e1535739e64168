//! The jobs of a chaos run, and what each must have left behind at the end.

use std::fs;

use serde_json::json;

use super::dice::Dice;
use super::others::SHARED;
use crate::workplace::Workplace;

/// After so many attempts a job fails for good.
pub(crate) const ATTEMPTS: u64 = 4;

/// One pushed job.
struct Planned {
    queue: &'static str,
    /// The attempt that succeeds; above [`ATTEMPTS`] none does.
    good: u64,
    /// Whether it pushes a follow-up when it is done.
    chained: bool,
}

/// All jobs pushed so far.
#[derive(Default)]
pub(crate) struct Load {
    jobs: Vec<Planned>,
    /// Pushes of several jobs that were refused, and are not among them.
    pub(crate) refused: u64,
}

/// What the marks of one execution file say.
#[derive(Default, Clone, Copy)]
pub(crate) struct Marks {
    /// Executions that began.
    pub(crate) begun: u64,
    /// Executions that ended well.
    pub(crate) ended: u64,
}

/// What all marks say together.
#[derive(Default)]
pub(crate) struct Effects {
    /// Jobs and follow-ups that have to be done.
    pub(crate) expected: u64,
    /// Executions that the plan asks for, failing attempts included.
    pub(crate) planned: u64,
    /// Executions that began.
    pub(crate) begun: u64,
    /// Executions that ended well, beyond one a job.
    pub(crate) doubled: u64,
    /// What is not as it should be, a line each.
    pub(crate) problems: Vec<String>,
}

impl Load {
    /// Configures the place: a queue `work`, whose chained jobs push to `next`, and `shared`,
    /// which other programs serve, too.
    pub(crate) fn configure(place: &Workplace) {
        place.make_folder("marks");
        let guest = crate::artifacts::guest("leave-marks");
        // Crashes are the test's trade here; that poison is found has tests of its own.
        let queue = |name: &str, attempts: u64| {
            format!(
                "[queues.{name}]\nttr = \"20s\"\nattempts = {attempts}\nmax-crashes = 1000\n\
                 backoff = {{ initial = \"100ms\", max = \"500ms\" }}\n"
            )
        };
        place.configure(&format!(
            "shutdown-grace = \"1s\"\n{}{}{}[plugins.it]\npath = '{}'\njobs = [\"*\"]\n\
             grants = {{ queues = [\"next\"], fs = [{{ host = \"marks\", guest = \"/marks\", mode = \"rw\" }}] }}\n",
            queue("work", ATTEMPTS),
            queue("next", ATTEMPTS),
            // Another program counts the attempt that it died with.
            queue(SHARED, 1_000),
            guest.display()
        ));
    }

    /// How many were pushed.
    pub(crate) fn len(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// How many follow-ups there must be in the end.
    pub(crate) fn follow_ups(&self) -> u64 {
        self.jobs.iter().filter(|job| job.chained && job.good <= ATTEMPTS).count() as u64
    }

    /// How many of a queue must have been pushed, and how many of them failed.
    pub(crate) fn of(&self, queue: &str) -> (u64, u64) {
        let of_queue = || self.jobs.iter().filter(|job| job.queue == queue);
        (of_queue().count() as u64, of_queue().filter(|job| job.good > ATTEMPTS).count() as u64)
    }

    /// Pushes this many jobs of all kinds. The store has to be there. A worker that is frozen amid a
    /// write keeps SQLite's lock, as any process would: then a push may be refused, and stores nothing.
    pub(crate) fn push(&mut self, place: &Workplace, dice: &mut Dice, queue: &'static str, jobs: u64) {
        let before = self.jobs.len();
        let lines: String = (0..jobs).map(|_| self.plan(dice, queue)).collect();
        let pushed = place.jobhost(&["push", "--queue", queue, "--batch", "-"]).stdin(lines).run();
        if !place.is_redis() && pushed.code == Some(69) && pushed.stderr.contains("is locked by") {
            self.jobs.truncate(before);
            self.refused += 1;
            return;
        }
        pushed.success();
    }

    fn plan(&mut self, dice: &mut Dice, queue: &'static str) -> String {
        let number = self.jobs.len();
        // Most are short, some take longer than a worker lives.
        let ms = if dice.percent(5) { dice.below(2_500) } else { dice.below(120) };
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

    /// Reads all marks and compares them with the plan.
    pub(crate) fn effects(&self, place: &Workplace) -> Effects {
        let mut effects = Effects::default();
        for (number, job) in self.jobs.iter().enumerate() {
            let fails = job.good > ATTEMPTS;
            effects.add(&number.to_string(), marks(place, &number.to_string()), job.good.min(ATTEMPTS), fails);
            let after = format!("{number}-after");
            let found = marks(place, &after);
            if job.chained && !fails {
                effects.add(&after, found, 1, false);
            } else if found.begun > 0 {
                effects.problems.push(format!("{after} ran, but nothing should have pushed it"));
            }
        }
        effects
    }
}

impl Effects {
    fn add(&mut self, mark: &str, found: Marks, planned: u64, fails: bool) {
        self.planned += planned;
        self.begun += found.begun;
        self.expected += u64::from(!fails);
        self.doubled += found.ended.saturating_sub(1);
        if found.begun < planned {
            self.problems.push(format!("job {mark} ran {} times, planned were {planned}", found.begun));
        }
        if fails && found.ended > 0 {
            self.problems.push(format!("job {mark} ended well, which it cannot"));
        }
        if !fails && found.ended == 0 {
            self.problems.push(format!("job {mark} is LOST: it never ended well"));
        }
    }
}

/// The marks of one job. An execution may be killed amid a line, so only whole words count.
fn marks(place: &Workplace, mark: &str) -> Marks {
    let text = fs::read_to_string(place.path(&format!("marks/{mark}"))).unwrap_or_default();
    let count = |word: &str| text.lines().filter(|line| line.starts_with(word)).count() as u64;
    Marks { begun: count("begun"), ended: count("ended") }
}
