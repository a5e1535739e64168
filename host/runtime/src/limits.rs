//! What a plugin may use during one call, and the meter that holds it to its memory and tables. Time is not measured
//! here.

use wasmtime::ResourceLimiter;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What one call of a plugin may use at most. Each limit that is passed ends the call with a cause that names it,
/// except where the field says that the excess is dropped.
///
/// An engine's pool is made for the default `table_elements`, `instances`, `tables` and `memories`. A plugin with a larger
/// limit of these lives outside of the pool, where each call takes longer to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, summed over all memories of the component.
    pub memory: u64,
    /// Units of fuel, about one for each WebAssembly instruction; 0 means no limit, and faster code.
    pub fuel: u64,
    /// Elements of one table.
    pub table_elements: u32,
    /// Core instances of which the component consists. Interpreters bundled with their libraries have many.
    pub instances: u32,
    /// Tables of the component.
    pub tables: u32,
    /// Linear memories of the component.
    pub memories: u32,
    /// Resources (streams, files, pollables…) that the guest holds at once.
    pub handles: u32,
    /// Bytes that cross the border in one host call or one result.
    pub host_call_bytes: u64,
    /// Bytes of what the guest returns: the output of `execute`, or the texts of a failure or a decision.
    pub output_bytes: u64,
    /// Bytes kept of stdout and of stderr, each. The end is kept, what came before it is dropped.
    pub stdio_bytes: u64,
    /// Bytes of log messages that reach the host; what comes after is dropped, with one message saying so.
    pub log_bytes: u64,
    /// Log messages that reach the host; what comes after is dropped, with one message saying so.
    pub log_lines: u32,
    /// Bytes kept of a progress note; the rest is cut.
    pub note_bytes: u64,
    /// Jobs that the guest pushes in one call; more are refused with `push-error.invalid`.
    pub pushes: u32,
    /// Bytes of payload and metadata that the guest pushes in one call; more are refused with `push-error.invalid`.
    pub push_bytes: u64,
    /// Requests over HTTP that the guest sends in one call; more are refused with `HTTP-request-denied`.
    pub http_requests: u32,
    /// Requests over HTTP under way at once, until their response is read; more are refused with
    /// `connection-limit-reached`.
    pub http_at_once: u32,
    /// Bytes of the bodies of all requests of one call; what passes it fails with `HTTP-request-body-size`.
    pub http_sent: u64,
    /// Bytes of the bodies of all responses of one call; what passes it fails with `HTTP-response-body-size`.
    pub http_received: u64,
    /// Bytes of the component's file.
    pub component_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 128 * MIB,
            fuel: 0,
            table_elements: 100_000,
            instances: 200,
            tables: 50,
            memories: 4,
            handles: 10_000,
            host_call_bytes: 16 * MIB,
            output_bytes: MIB,
            stdio_bytes: 64 * KIB,
            log_bytes: 64 * KIB,
            log_lines: 1_000,
            note_bytes: KIB,
            pushes: 1_000,
            push_bytes: 16 * MIB,
            http_requests: 1_000,
            http_at_once: 16,
            http_sent: 64 * MIB,
            http_received: 64 * MIB,
            component_bytes: 64 * MIB,
        }
    }
}

/// Counts memory and tables of one store and refuses what is too much. A refusal is remembered, because the guest
/// sees only a failed allocation and usually traps somewhere else.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Sizes,
    held: u64,
    peak: u64,
    memory_refused: Option<u64>,
    table_refused: Option<u64>,
}

#[derive(Debug)]
struct Sizes {
    memory: u64,
    table_elements: u64,
    instances: usize,
    tables: usize,
    memories: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: Sizes {
                memory: limits.memory,
                table_elements: u64::from(limits.table_elements),
                instances: size(u64::from(limits.instances)),
                tables: size(u64::from(limits.tables)),
                memories: size(u64::from(limits.memories)),
            },
            held: 0,
            peak: 0,
            memory_refused: None,
            table_refused: None,
        }
    }

    /// Bytes of linear memory at their highest.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Bytes that the guest held when it was refused more; none if it got more since.
    pub(crate) fn memory_refused(&self) -> Option<u64> {
        self.memory_refused
    }

    /// Elements of the table that was not allowed to grow.
    pub(crate) fn table_refused(&self) -> Option<u64> {
        self.table_refused
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = bytes(desired).saturating_sub(bytes(current));
        let after = self.held.saturating_add(growth);
        if after > self.limits.memory || maximum.is_some_and(|maximum| desired > maximum) {
            self.memory_refused.get_or_insert(self.held);
            return Ok(false);
        }
        self.held = after;
        // It got along without what it was refused, which is then not what it will end of.
        self.memory_refused = None;
        self.peak = self.peak.max(after);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // What was granted and could not be had stays counted: the engine reports failures too that it never asked
        // for, and a guest that provokes one must not be given back what it holds.
        self.memory_refused.get_or_insert(self.held);
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = bytes(desired) <= self.limits.table_elements && maximum.is_none_or(|maximum| desired <= maximum);
        if !allowed {
            self.table_refused.get_or_insert(bytes(desired));
        }
        Ok(allowed)
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

/// The engine counts in `usize`; a limit beyond it is no limit.
pub(crate) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The other way round; no supported platform has a wider `usize`.
pub(crate) fn bytes(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;

    fn meter(memory: u64) -> Meter {
        Meter::new(&Limits { memory, ..Limits::default() })
    }

    #[test]
    fn the_memories_of_a_guest_are_counted_together() {
        let mut meter = meter(3 * bytes(PAGE));
        assert!(meter.memory_growing(0, PAGE, None).unwrap());
        assert!(meter.memory_growing(0, PAGE, None).unwrap());
        assert!(!meter.memory_growing(PAGE, 3 * PAGE, None).unwrap());
        assert_eq!(meter.memory_refused(), Some(2 * bytes(PAGE)));
        assert!(meter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        assert_eq!(meter.peak(), 3 * bytes(PAGE));
    }

    #[test]
    fn a_refusal_is_forgotten_by_a_guest_that_makes_do_with_less() {
        let mut meter = meter(4 * bytes(PAGE));
        assert!(meter.memory_growing(0, PAGE, None).unwrap());
        assert!(!meter.memory_growing(PAGE, 9 * PAGE, None).unwrap());
        assert!(meter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        assert_eq!(meter.memory_refused(), None);
        assert!(!meter.memory_growing(2 * PAGE, 9 * PAGE, None).unwrap());
        assert!(!meter.memory_growing(2 * PAGE, 8 * PAGE, None).unwrap());
        assert_eq!(meter.memory_refused(), Some(2 * bytes(PAGE)));
    }

    #[test]
    fn a_failure_without_a_grant_gives_nothing_back() {
        let mut meter = meter(bytes(PAGE));
        assert!(meter.memory_growing(0, PAGE, None).unwrap());
        let failure = wasmtime::Error::msg("growth exceeds the memory's type");
        meter.memory_grow_failed(failure).unwrap();
        assert!(!meter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
    }
}
