//! What the executed jobs of a chaos run have left behind, compared with the
//! plan: who ran too seldom, too often, or under two ids.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use super::load::{ATTEMPTS, Fate, Load, Planned};
use crate::workplace::Workplace;

/// What the marks of one job say.
#[derive(Default)]
struct Marks {
    /// Executions that began.
    begun: u64,
    /// Executions that ended well.
    ended: u64,
    /// Under which ids.
    ids: BTreeSet<String>,
}

/// What all marks say together.
#[derive(Default)]
pub(crate) struct Effects {
    /// Pushes that were refused, that were uncertain, and how many of the latter had stored their jobs.
    pub(crate) pushes: [u64; 3],
    /// By queue: how many jobs must have been stored, and how many of them failed.
    pub(crate) stored: HashMap<&'static str, (u64, u64)>,
    /// Jobs that never ended well.
    pub(crate) lost: u64,
    /// Executions that the plan asks for, failing attempts included.
    pub(crate) planned: u64,
    /// Executions that began.
    pub(crate) begun: u64,
    /// Executions that began again.
    pub(crate) repeated: u64,
    /// Executions that ended well, beyond one a job.
    pub(crate) doubled: u64,
    /// What is not as it should be, a line each.
    pub(crate) problems: Vec<String>,
}

impl Effects {
    /// Reads all marks. `blows` says how often an execution of each job, `queue/id`, may have been cut
    /// short.
    pub(crate) fn of(load: &Load, place: &Workplace, blows: &HashMap<String, u64>) -> Self {
        let mut reading = Reading { place, blows, found: Self::default() };
        for (jobs, fate) in load.batches() {
            reading.batch(&jobs, fate);
        }
        reading.found
    }
}

/// What was read so far.
struct Reading<'a> {
    place: &'a Workplace,
    blows: &'a HashMap<String, u64>,
    found: Effects,
}

impl Reading<'_> {
    fn batch(&mut self, jobs: &[(usize, &Planned)], fate: &Fate) {
        let marks: Vec<_> = jobs.iter().map(|(number, _)| marks(self.place, &number.to_string())).collect();
        let ran = marks.iter().any(|marks| marks.begun > 0);
        self.found.pushes[0] += u64::from(*fate == Fate::Refused);
        self.found.pushes[1] += u64::from(*fate == Fate::Uncertain);
        self.found.pushes[2] += u64::from(*fate == Fate::Uncertain && ran);
        match (fate, jobs.first()) {
            (Fate::Refused, Some((number, _))) if ran => {
                self.complain(format!("a job of the push that began with {number} ran, but it was refused"));
            }
            (Fate::Wrong(told), _) => self.complain(format!("a push went wrong: {told}")),
            _ => {}
        }
        // All of a push is stored, or nothing.
        if *fate == Fate::Stored || ran {
            for ((number, job), marks) in jobs.iter().zip(marks) {
                self.job(*number, job, &marks);
            }
        }
    }

    fn job(&mut self, number: usize, job: &Planned, found: &Marks) {
        let fails = job.good > ATTEMPTS;
        let stored = self.found.stored.entry(job.queue).or_default();
        stored.0 += 1;
        stored.1 += u64::from(fails);
        self.mark(&number.to_string(), job.queue, found, (job.good.min(ATTEMPTS), fails));
        let after = format!("{number}-after");
        let found = marks(self.place, &after);
        if job.chained && !fails {
            self.found.stored.entry("next").or_default().0 += 1;
            self.mark(&after, "next", &found, (1, false));
        } else if found.begun > 0 {
            self.complain(format!("{after} ran, but nothing should have pushed it"));
        }
    }

    fn mark(&mut self, mark: &str, queue: &str, found: &Marks, (planned, fails): (u64, bool)) {
        let repeated = found.begun.saturating_sub(planned);
        self.found.planned += planned;
        self.found.begun += found.begun;
        self.found.repeated += repeated;
        self.found.doubled += found.ended.saturating_sub(1);
        if found.begun < planned {
            self.complain(format!("job {mark} ran {} times, planned were {planned}", found.begun));
        }
        if fails && found.ended > 0 {
            self.complain(format!("job {mark} ended well, which it cannot"));
        }
        if !fails && found.ended == 0 {
            self.found.lost += 1;
            self.complain(format!("job {mark} is LOST: it never ended well"));
        }
        let ids: Vec<_> = found.ids.iter().map(|id| format!("{queue}/{id}")).collect();
        let (listed, count) = (ids.join(", "), ids.len());
        if count > 1 {
            self.complain(format!("job {mark} was stored {count} times: {listed}"));
        }
        let explained = ids.iter().filter_map(|id| self.blows.get(id)).sum();
        if repeated > explained {
            self.complain(format!(
                "job {mark} ({listed}) ran {repeated} times too often, of which blows explain {explained}"
            ));
        }
    }

    fn complain(&mut self, problem: String) {
        self.found.problems.push(problem);
    }
}

/// The marks of one job. An execution may be killed amid a line, so only whole lines count.
fn marks(place: &Workplace, mark: &str) -> Marks {
    let text = fs::read_to_string(place.path(&format!("marks/{mark}"))).unwrap_or_default();
    let mut marks = Marks::default();
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let words: Vec<_> = line.split(' ').collect();
        let [what, _attempt, id] = words[..] else { continue };
        marks.begun += u64::from(what == "begun");
        marks.ended += u64::from(what == "ended");
        marks.ids.insert(id.to_owned());
    }
    marks
}
