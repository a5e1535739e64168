//! What a plugin may use during one call. Who holds it to that is elsewhere: `meter` to its memory and tables, `host` to
//! its effects, the engine to the rest.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What one call of a plugin may use at most. Each limit that is passed ends the call with a cause that names it,
/// except where the field says that the excess is dropped.
///
/// An engine's pool is made for the default `table_elements`, `instances`, `tables`, `memories` and `stack`. A plugin with
/// a larger limit of these, or another `stack`, lives outside of the pool, where each call takes longer to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, summed over all memories of the component.
    pub memory: u64,
    /// Units of fuel, about one for each WebAssembly instruction; 0 means no limit, and faster code.
    pub fuel: u64,
    /// Bytes of the stack on which WebAssembly runs: what bounds recursion. At least 4,096. The part of its stack that a
    /// guest keeps in its linear memory has a size of its own, which the guest's linker decides.
    pub stack: u64,
    /// Elements of tables, summed over all tables of the component.
    pub table_elements: u32,
    /// Core instances of which the component consists. Interpreters bundled with their libraries have many.
    pub instances: u32,
    /// Tables of the component.
    pub tables: u32,
    /// Linear memories of the component.
    pub memories: u32,
    /// Resources (streams, files, pollables…) that the guest holds at once.
    pub handles: u32,
    /// Files and folders that the guest has open at once, or streams of them, each. Every one of them is open in the host's
    /// process too.
    pub open_files: u32,
    /// Bytes that cross the border in one host call or one result.
    pub host_call_bytes: u64,
    /// Bytes of what the guest returns: the output of `execute`, or the texts of a failure or a decision.
    pub output_bytes: u64,
    /// Bytes kept of stdout and of stderr, each. The end is kept, what came before it is dropped.
    pub stdio_bytes: u64,
    /// Bytes of log messages that reach the host; what comes after is dropped, with one message saying so.
    pub log_bytes: u64,
    /// Log messages that reach the host; what comes after is dropped, with one message saying so. Also lines kept of
    /// stdout and of stderr, each, of which what came before the end is dropped.
    pub log_lines: u32,
    /// Bytes kept of a progress note; the rest is cut.
    pub note_bytes: u64,
    /// Jobs that the guest pushes in one call; more are refused with `push-error.invalid`.
    pub pushes: u32,
    /// Bytes of payload and metadata that the guest pushes in one call; more are refused with `push-error.invalid`.
    pub push_bytes: u64,
    /// Keys of buckets that the guest reads or writes in one call, and pages of keys that it lists; more are refused with
    /// an error of `wasi:keyvalue`.
    pub bucket_keys: u32,
    /// Bytes of a value that the guest stores in a bucket; a longer one is refused with an error of `wasi:keyvalue`.
    pub value_bytes: u64,
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
            stack: 512 * KIB,
            table_elements: 100_000,
            instances: 200,
            tables: 50,
            memories: 4,
            handles: 10_000,
            open_files: 256,
            host_call_bytes: 16 * MIB,
            output_bytes: MIB,
            stdio_bytes: 64 * KIB,
            log_bytes: 64 * KIB,
            log_lines: 1_000,
            note_bytes: KIB,
            pushes: 1_000,
            push_bytes: 16 * MIB,
            bucket_keys: 10_000,
            value_bytes: MIB,
            http_requests: 1_000,
            http_at_once: 16,
            http_sent: 64 * MIB,
            http_received: 64 * MIB,
            component_bytes: 64 * MIB,
        }
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
