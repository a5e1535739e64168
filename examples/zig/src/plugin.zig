//! What a plugin needs of the host, over the bindings for C in `bindings`.
//!
//! Each call has a fresh instance of the plugin, so nothing has to be freed: the memory goes with the call. But what is returned
//! is freed, by the bindings, and so has to be a copy.

const std = @import("std");
pub const c = @import("bindings");

const memory = std.heap.c_allocator;

/// Why a job failed: a short and stable code for machines, and a sentence for people.
pub const Failure = struct {
    code: []const u8,
    message: []const u8,
};

/// What becomes of an attempt. Another one may succeed after a temporary failure, none after a permanent one.
pub fn Result(comptime Output: type) type {
    return union(enum) {
        done: Output,
        temporary: Failure,
        permanent: Failure,
    };
}

/// What JSON says; null where it says something else.
pub fn read(comptime Value: type, json: c.plugin_string_t) ?Value {
    return std.json.parseFromSliceLeaky(Value, memory, bytes(json), .{ .ignore_unknown_fields = true }) catch null;
}

/// A text.
pub fn print(comptime format: []const u8, arguments: anytype) []const u8 {
    return std.fmt.allocPrint(memory, format, arguments) catch @panic("out of memory");
}

/// A line of the job's log.
pub fn log(level: c.jobhost_plugin_context_level_t, message: []const u8) void {
    var line = lent(message);
    c.jobhost_plugin_context_log(level, &line);
}

/// Shown by `jobhost status`.
pub fn progress(done: u32, total: u32, note: []const u8) void {
    var all = total;
    var shown = lent(note);
    c.jobhost_plugin_context_progress(done, &all, &shown);
}

/// Pushes a follow-up job; the text says why it was refused.
pub fn push(queue: []const u8, name: []const u8, payload: anytype) ?[]const u8 {
    var draft = std.mem.zeroes(c.jobhost_plugin_queue_job_draft_t);
    draft.queue = lent(queue);
    draft.name = lent(name);
    draft.payload = lent(written(payload));
    var refusal: c.jobhost_plugin_queue_push_error_t = undefined;
    if (c.jobhost_plugin_queue_push(&draft, &refusal)) return null;
    // Every kind of refusal has a text.
    return bytes(refusal.val.denied);
}

/// What a server answered, whatever the status.
pub const Answer = struct {
    status: u16,
    body: []const u8,
};

/// What came of a request.
pub const Fetched = union(enum) {
    answer: Answer,
    failure: Failure,
};

/// Sends a request, with the grant `http`, and waits for the whole answer. Headers and a timeout are in
/// `jobhost_plugin_http_request_t`.
pub fn fetch(method: []const u8, url: []const u8, body: []const u8) Fetched {
    var request = std.mem.zeroes(c.jobhost_plugin_http_request_t);
    request.method = lent(method);
    request.url = lent(url);
    request.body = .{ .ptr = @constCast(body.ptr), .len = body.len };
    var answer: c.jobhost_plugin_http_response_t = undefined;
    var failure: c.jobhost_plugin_http_http_error_t = undefined;
    if (!c.jobhost_plugin_http_send(&request, &answer, &failure)) {
        const code = switch (failure.tag) {
            c.JOBHOST_PLUGIN_HTTP_HTTP_ERROR_INVALID => "http-invalid",
            c.JOBHOST_PLUGIN_HTTP_HTTP_ERROR_DENIED => "http-denied",
            else => "http-failed",
        };
        // Every kind of failure has a text.
        return .{ .failure = .{ .code = code, .message = bytes(failure.val.failed) } };
    }
    const content = if (answer.body.len == 0) "" else answer.body.ptr[0..answer.body.len];
    return .{ .answer = .{ .status = answer.status, .body = content } };
}

/// JSON.
pub fn written(value: anytype) []const u8 {
    return std.json.Stringify.valueAlloc(memory, value, .{}) catch @panic("out of memory");
}

/// What a text of the host holds.
pub fn bytes(text: c.plugin_string_t) []const u8 {
    return if (text.len == 0) "" else text.ptr[0..text.len];
}

/// A text to hand over to the host in a call.
pub fn lent(text: []const u8) c.plugin_string_t {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

/// A text to return.
pub fn copied(text: []const u8) c.plugin_string_t {
    var copy: c.plugin_string_t = undefined;
    c.plugin_string_dup_n(&copy, text.ptr, text.len);
    return copy;
}
