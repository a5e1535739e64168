//! Whether an instance serves another call, and when it is done with. This is the rule alone: who keeps instances
//! meanwhile is in `idle`, how one is made ready for its next call in `sandbox`.

use std::time::Duration;

/// Which instances serve the calls of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// A new one for each call, gone when it ends.
    #[default]
    Fresh,
    /// One that has answered a call before serves a later one, of whichever function, where one is idle: for plugins that
    /// are trusted to keep their jobs apart, since what a guest leaves in its memory is there in the next call.
    Warm(Reuse),
}

/// For how long an instance serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Calls that it serves, at least 1. A hook's call counts as well as a job's.
    pub max_jobs: u32,
    /// Bytes of linear memory that it may have after a call to serve another.
    pub max_memory: u64,
    /// How long after it was made it still begins a call.
    pub max_age: Duration,
    /// How long it waits for a call.
    pub max_idle: Duration,
}

/// An instance at the end of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// Whether the call ended by the guest's own answer, a failure included, and the host took it.
    pub(crate) answered: bool,
    /// Calls that it has served.
    pub(crate) calls: u32,
    /// Bytes of its linear memory.
    pub(crate) memory: u64,
    /// Since it was made.
    pub(crate) age: Duration,
    /// What it still holds of the call: files, requests, buckets…
    pub(crate) held: usize,
}

/// Why an instance is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retired {
    /// It trapped, was ended, or gave an answer that was refused: nobody knows what state it is in.
    Ended,
    /// Handles that a later call must not use.
    Holds(usize),
    Memory(u64),
    Jobs,
    Age,
}

impl Reuse {
    /// Why an instance serves no other call; none if it does.
    pub(crate) fn retires(&self, life: &Life) -> Option<Retired> {
        if !life.answered {
            Some(Retired::Ended)
        } else if life.calls >= self.max_jobs {
            Some(Retired::Jobs)
        } else if life.held > 0 {
            Some(Retired::Holds(life.held))
        } else if life.memory > self.max_memory {
            Some(Retired::Memory(life.memory))
        } else if life.age >= self.max_age {
            Some(Retired::Age)
        } else {
            None
        }
    }
}

impl Retired {
    /// What to tell the operator of an instance that has served a single call; none where it is as it should be.
    pub(crate) fn in_vain(self, reuse: &Reuse) -> Option<String> {
        match self {
            Self::Holds(handles) => Some(format!(
                "it still holds {handles} handles of that call, such as files, requests or buckets; it should let go of them before it answers"
            )),
            Self::Memory(bytes) => Some(format!(
                "its memory has {bytes} bytes, more than the {} of `max-memory`; raise that",
                reuse.max_memory
            )),
            Self::Ended | Self::Jobs | Self::Age => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_serves_until_one_of_its_terms_is_over() {
        let second = Duration::from_secs(1);
        let reuse = Reuse { max_jobs: 3, max_memory: 100, max_age: 10 * second, max_idle: second };
        let life = Life { answered: true, calls: 2, memory: 100, age: 9 * second, held: 0 };
        for (life, retired) in [
            (life, None),
            (Life { answered: false, ..life }, Some(Retired::Ended)),
            (Life { calls: 3, ..life }, Some(Retired::Jobs)),
            (Life { calls: 4, ..life }, Some(Retired::Jobs)),
            (Life { held: 1, ..life }, Some(Retired::Holds(1))),
            (Life { memory: 101, ..life }, Some(Retired::Memory(101))),
            (Life { age: 10 * second, ..life }, Some(Retired::Age)),
            (Life { answered: false, calls: 3, held: 1, memory: 101, age: 10 * second }, Some(Retired::Ended)),
        ] {
            assert_eq!(reuse.retires(&life), retired, "{life:?}");
        }
        let once = Reuse { max_jobs: 1, ..reuse };
        assert_eq!(once.retires(&Life { calls: 1, ..life }), Some(Retired::Jobs));
    }

    #[test]
    fn only_what_somebody_can_change_is_told() {
        let second = Duration::from_secs(1);
        let reuse = Reuse { max_jobs: 3, max_memory: 100, max_age: second, max_idle: second };
        let told = |retired: Retired| retired.in_vain(&reuse).unwrap_or_default();
        assert!(told(Retired::Holds(2)).contains("2 handles"));
        assert!(told(Retired::Memory(101)).contains("101 bytes, more than the 100 of `max-memory`"));
        assert_eq!([Retired::Ended, Retired::Jobs, Retired::Age].map(told).concat(), "");
    }
}
