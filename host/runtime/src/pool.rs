//! The pool of places in which guests run: how many there are, and how much memory they keep between two guests.

use wasmtime::PoolingAllocationConfig;

use crate::engine::EngineSettings;
use crate::limits::{Limits, size};

/// How much of a linear memory is reset by copying: pages that go back to the kernel must all be faulted in by the next
/// guest, which takes most of the time of one that brings an engine, and holds up the other threads. The least has room
/// for a guest with a small stack and little data, the most for an interpreter of Python with its modules.
///
/// Copied pages stay with the process, so less of each memory is where there are many. `pagemap_scan` of wasmtime
/// would copy only what was written. It is not used: as of 48.0 it passes over pages that the kernel has swapped out, and
/// the next guest reads what the one before it wrote there (<https://github.com/bytecodealliance/wasmtime/pull/14357>).
const KEEP_LEAST: u64 = 256 << 10;
const KEEP_MOST: u64 = 16 << 20;
/// What all calls of `execute` at once may keep, unless that is less than the least for each. Calls of hooks come on top:
/// there are as many places for them again, and mostly few are in use.
const KEEP_IN_ALL: u64 = 256 << 20;

/// As above, for a table and for the stack on which a guest runs.
const KEEP_TABLE: usize = 64 << 10;
const KEEP_STACK: usize = 64 << 10;

/// A pool in which as many calls as there are slots fit, whatever the plugins are, as long as each keeps to the default
/// numbers of instances, memories and tables.
pub(crate) fn config(settings: &EngineSettings) -> PoolingAllocationConfig {
    let most = Limits::default();
    let calls = places(settings);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_stacks(calls)
        .total_core_instances(calls.saturating_mul(most.instances))
        .total_memories(calls.saturating_mul(most.memories))
        .total_tables(calls.saturating_mul(most.tables))
        .max_core_instances_per_component(most.instances)
        .max_memories_per_component(most.memories)
        .max_tables_per_component(most.tables)
        .max_memories_per_module(most.memories)
        .max_tables_per_module(most.tables)
        .table_elements(size(u64::from(most.table_elements)))
        .max_memory_size(size(settings.memory))
        .linear_memory_keep_resident(size(keep(settings.calls)))
        .table_keep_resident(KEEP_TABLE)
        .async_stack_keep_resident(KEEP_STACK);
    pool
}

/// How much of each memory is kept where so many calls of `execute` run at once.
fn keep(calls: u32) -> u64 {
    (KEEP_IN_ALL / u64::from(calls.max(1))).clamp(KEEP_LEAST, KEEP_MOST)
}

/// Calls that can run at once, a trial included.
pub(crate) fn places(settings: &EngineSettings) -> u32 {
    settings.calls.saturating_add(settings.hook_calls.saturating_mul(2)).saturating_add(1)
}

/// Whether a plugin with these limits may live in the pool, which is made for the default numbers.
pub(crate) fn holds(limits: &Limits) -> bool {
    let most = Limits::default();
    limits.instances <= most.instances
        && limits.memories <= most.memories
        && limits.tables <= most.tables
        && limits.table_elements <= most.table_elements
        && limits.stack == most.stack
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_once_share_what_is_kept_and_each_keeps_the_least() {
        let (kib, mib) = (1 << 10, 1 << 20);
        for (calls, each) in [
            (0, 16 * mib),
            (1, 16 * mib),
            (16, 16 * mib),
            (17, 15_790_320),
            (128, 2 * mib),
            (1024, 256 * kib),
            (u32::MAX, 256 * kib),
        ] {
            assert_eq!(keep(calls), each, "{calls}");
        }
    }
}
