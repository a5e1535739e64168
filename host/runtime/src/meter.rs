//! Counts memory and tables of an instance and refuses what is too much. A refusal is remembered, because the guest sees
//! only a failed allocation and usually traps somewhere else. What a trap is called in the end is decided in `invoke`.

use wasmtime::ResourceLimiter;

use crate::limits::{Limits, bytes, size};
use crate::output::Capture;

/// Words by one of which a guest, or its language, says on stderr that it dies of a failed allocation: `memory allocation
/// of 64 bytes failed`, `std::bad_alloc`, `MemoryError`, `runtime: out of memory`.
const LAST_WORDS: [&str; 2] = ["memory", "alloc"];

/// The memory and the tables of an instance, and what it was refused of them in its call.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Sizes,
    stderr: Capture,
    held: u64,
    peak: u64,
    memory: Refusals,
    /// Why memory within the limit could not be had, the latest time.
    unmet: Option<String>,
    /// Elements of all tables.
    elements: u64,
    table: Refusals,
}

#[derive(Debug)]
struct Sizes {
    memory: u64,
    table_elements: u64,
    instances: usize,
    tables: usize,
    memories: usize,
}

/// What was refused of memory, or of tables, because of a limit.
#[derive(Debug, Default)]
struct Refusals {
    /// The latest that the guest has not got over yet.
    open: Option<Refusal>,
    /// The latest.
    last: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Refusal {
    /// Bytes that it held, or elements that it wanted.
    amount: u64,
    /// Bytes that it had written to stderr by then.
    said: u64,
}

/// Whether a guest that was ended had been refused something before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Never.
    No,
    /// Yes, but it went on after that. Bytes that it held, or elements that it wanted.
    Before(u64),
    /// Yes, and nothing is known of it since but that it ended.
    ToItsEnd(u64),
}

impl Meter {
    /// `stderr` is where the guest has its last word.
    pub(crate) fn new(limits: &Limits, stderr: Capture) -> Self {
        Self {
            limits: Sizes {
                memory: limits.memory,
                table_elements: u64::from(limits.table_elements),
                instances: size(u64::from(limits.instances)),
                tables: size(u64::from(limits.tables)),
                memories: size(u64::from(limits.memories)),
            },
            stderr,
            held: 0,
            peak: 0,
            memory: Refusals::default(),
            unmet: None,
            elements: 0,
            table: Refusals::default(),
        }
    }

    /// What the instance holds stays counted in its next call; the rest begins anew.
    pub(crate) fn next_call(&mut self) {
        self.peak = self.held;
        (self.memory, self.table) = (Refusals::default(), Refusals::default());
        self.unmet = None;
    }

    /// Bytes of linear memory.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Bytes of linear memory at their highest in this call.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Notes that the guest does something else than dying: what it was refused is not what it will end of.
    pub(crate) fn goes_on(&mut self) {
        self.memory.open = None;
        self.table.open = None;
    }

    /// Bytes that the guest held when it was refused more memory.
    pub(crate) fn memory_refused(&self) -> Refused {
        self.weigh(&self.memory)
    }

    /// Why the guest was refused memory that its limit would have allowed.
    pub(crate) fn unmet(&self) -> Option<&str> {
        self.unmet.as_deref()
    }

    /// Elements of all tables, had one been allowed to grow.
    pub(crate) fn table_refused(&self) -> Refused {
        self.weigh(&self.table)
    }

    /// The guest's last words count: silence, or a word about memory, is the end that a failed allocation has in every
    /// language; another complaint is another death.
    fn weigh(&self, refusals: &Refusals) -> Refused {
        let Some(amount) = refusals.last else { return Refused::No };
        let Some(open) = refusals.open else { return Refused::Before(amount) };
        let said = self.stderr.since(open.said).to_lowercase();
        if said.trim().is_empty() || LAST_WORDS.iter().any(|word| said.contains(word)) {
            Refused::ToItsEnd(open.amount)
        } else {
            Refused::Before(amount)
        }
    }

    /// Notes a refusal that the limit is not to blame for.
    fn cannot_be_met(&mut self, why: String) {
        self.memory.open = None;
        self.unmet = Some(why);
    }
}

impl Refusals {
    fn add(&mut self, amount: u64, said: u64) {
        self.open = Some(Refusal { amount, said });
        self.last = Some(amount);
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = bytes(desired).saturating_sub(bytes(current));
        let after = self.held.saturating_add(growth);
        if after > self.limits.memory {
            self.memory.add(self.held, self.stderr.written());
            return Ok(false);
        }
        if let Some(maximum) = maximum.filter(|maximum| desired > *maximum) {
            self.cannot_be_met(format!("its own maximum is {maximum} bytes"));
            return Ok(false);
        }
        self.held = after;
        // It got along without what it was refused, which is then not what it will end of.
        self.memory.open = None;
        self.peak = self.peak.max(after);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // What was granted and could not be had stays counted: the engine reports failures too that it never asked
        // for, and a guest that provokes one must not be given back what it holds.
        self.cannot_be_met(format!("{error:#}"));
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let after = self.elements.saturating_add(bytes(desired).saturating_sub(bytes(current)));
        if after > self.limits.table_elements {
            self.table.add(after, self.stderr.written());
            return Ok(false);
        }
        self.table.open = None;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.elements = after;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.tables
    }

    fn memories(&self) -> usize {
        self.limits.memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;

    fn meter(memory: u64) -> (Meter, Capture) {
        let stderr = Capture::new(1_000, 1_000);
        (Meter::new(&Limits { memory, ..Limits::default() }, stderr.clone()), stderr)
    }

    #[test]
    fn the_memories_of_a_guest_are_counted_together() {
        let (mut meter, _) = meter(3 * bytes(PAGE));
        assert!(meter.memory_growing(0, PAGE, None).unwrap());
        assert!(meter.memory_growing(0, PAGE, None).unwrap());
        assert!(!meter.memory_growing(PAGE, 3 * PAGE, None).unwrap());
        assert_eq!(meter.memory_refused(), Refused::ToItsEnd(2 * bytes(PAGE)));
        assert!(meter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        assert_eq!(meter.peak(), 3 * bytes(PAGE));
    }

    #[test]
    fn a_guest_that_makes_do_with_less_has_got_over_a_refusal() {
        let (mut meter, _) = meter(4 * bytes(PAGE));
        assert!(meter.memory_growing(0, PAGE, None).unwrap());
        assert_eq!(meter.memory_refused(), Refused::No);
        assert!(!meter.memory_growing(PAGE, 9 * PAGE, None).unwrap());
        assert!(meter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        assert_eq!(meter.memory_refused(), Refused::Before(bytes(PAGE)));
        assert!(!meter.memory_growing(2 * PAGE, 9 * PAGE, None).unwrap());
        assert!(!meter.memory_growing(2 * PAGE, 8 * PAGE, None).unwrap());
        assert_eq!(meter.memory_refused(), Refused::ToItsEnd(2 * bytes(PAGE)));
    }

    #[test]
    fn last_words_about_memory_or_silence_are_an_end_for_want_of_it_and_others_are_not() {
        for (words, to_its_end) in [
            ("", true),
            ("\n", true),
            ("memory allocation of 64 bytes failed\n", true),
            ("terminating due to uncaught exception of type std::bad_alloc\n", true),
            ("MemoryError\n", true),
            ("thread 'main' panicked at src/lib.rs:7:5:\nindex out of bounds\n", false),
        ] {
            let (mut meter, mut stderr) = meter(bytes(PAGE));
            wasmtime_wasi::p2::OutputStream::write(&mut stderr, "memory is fine so far\n".into()).unwrap();
            assert!(!meter.memory_growing(0, 2 * PAGE, None).unwrap());
            wasmtime_wasi::p2::OutputStream::write(&mut stderr, words.into()).unwrap();
            let expected = if to_its_end { Refused::ToItsEnd(0) } else { Refused::Before(0) };
            assert_eq!(meter.memory_refused(), expected, "{words:?}");
        }
    }

    #[test]
    fn a_guest_that_goes_on_has_got_over_a_refusal() {
        let (mut meter, _) = meter(bytes(PAGE));
        assert!(!meter.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(!meter.table_growing(0, 1 << 30, None).unwrap());
        meter.goes_on();
        assert_eq!(meter.memory_refused(), Refused::Before(0));
        assert_eq!(meter.table_refused(), Refused::Before(1 << 30));
    }

    #[test]
    fn what_is_refused_for_another_reason_than_the_limit_is_not_told_as_such() {
        let (mut meter, _) = meter(4 * bytes(PAGE));
        assert!(!meter.memory_growing(0, 2 * PAGE, Some(PAGE)).unwrap());
        assert_eq!((meter.memory_refused(), meter.unmet()), (Refused::No, Some("its own maximum is 65536 bytes")));
        meter.memory_grow_failed(wasmtime::Error::msg("the system has none left")).unwrap();
        assert_eq!((meter.memory_refused(), meter.unmet()), (Refused::No, Some("the system has none left")));
        assert!(!meter.memory_growing(0, 5 * PAGE, Some(PAGE)).unwrap());
        assert_eq!(meter.memory_refused(), Refused::ToItsEnd(0));
    }

    #[test]
    fn the_tables_of_a_guest_are_counted_together() {
        let limits = Limits { table_elements: 10, ..Limits::default() };
        let mut meter = Meter::new(&limits, Capture::new(1_000, 1_000));
        assert!(meter.table_growing(0, 6, None).unwrap());
        assert!(!meter.table_growing(0, 6, None).unwrap());
        assert_eq!(meter.table_refused(), Refused::ToItsEnd(12));
        assert!(!meter.table_growing(0, 3, Some(2)).unwrap());
        assert!(meter.table_growing(0, 4, None).unwrap());
        assert!(!meter.table_growing(4, 5, None).unwrap());
    }

    #[test]
    fn the_next_call_of_an_instance_begins_with_what_it_holds_and_without_refusals() {
        let limits = Limits { memory: 4 * bytes(PAGE), table_elements: 10, ..Limits::default() };
        let mut meter = Meter::new(&limits, Capture::new(1_000, 1_000));
        assert!(meter.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(meter.table_growing(0, 6, None).unwrap());
        assert!(!meter.memory_growing(2 * PAGE, 9 * PAGE, None).unwrap());
        assert!(!meter.table_growing(6, 11, None).unwrap());
        meter.memory_grow_failed(wasmtime::Error::msg("the system has none left")).unwrap();
        meter.next_call();
        assert_eq!((meter.peak(), meter.held()), (2 * bytes(PAGE), 2 * bytes(PAGE)));
        assert_eq!((meter.memory_refused(), meter.table_refused(), meter.unmet()), (Refused::No, Refused::No, None));
        assert!(!meter.memory_growing(2 * PAGE, 5 * PAGE, None).unwrap());
        assert!(!meter.table_growing(6, 11, None).unwrap());
    }

    #[test]
    fn a_failure_without_a_grant_gives_nothing_back() {
        let (mut meter, _) = meter(bytes(PAGE));
        assert!(meter.memory_growing(0, PAGE, None).unwrap());
        let failure = wasmtime::Error::msg("growth exceeds the memory's type");
        meter.memory_grow_failed(failure).unwrap();
        assert!(!meter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
    }
}
