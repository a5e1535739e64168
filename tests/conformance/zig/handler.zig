//! Does what the jobs of the conformance kit ask for, over the bindings for C.

const std = @import("std");
const plugin = @import("plugin.zig");
const c = plugin.c;

const a_while = 1500;

const Payload = struct {
    do: []const u8 = "",
    text: []const u8 = "",

    fn of(json: c.plugin_string_t) Payload {
        return plugin.read(Payload, json) orelse .{};
    }

    fn is(self: Payload, what: []const u8) bool {
        return std.mem.eql(u8, self.do, what);
    }
};

const What = enum {
    echo,
    temporary,
    permanent,
    @"retry-after",
    uncaught,
    progress,
    logs,
    print,
    push,
    @"refused-push",
    loop,
    @"fill-memory",
    random,
    job,
};

export fn exports_jobhost_plugin_handler_execute(
    job: *const c.jobhost_plugin_types_job_t,
    output: *c.plugin_string_t,
    failed: *c.jobhost_plugin_types_job_error_t,
) bool {
    const payload = Payload.of(job.payload);
    output.* = plugin.copied("");
    switch (std.meta.stringToEnum(What, payload.do) orelse return true) {
        .echo => object(output, .{ .text = payload.text }),
        .temporary => {
            failed.tag = c.JOBHOST_PLUGIN_TYPES_JOB_ERROR_TEMPORARY;
            failed.val.temporary = failure("busy", "later, perhaps");
            return false;
        },
        .permanent => {
            failed.tag = c.JOBHOST_PLUGIN_TYPES_JOB_ERROR_PERMANENT;
            failed.val.permanent = failureWithDetails();
            return false;
        },
        .@"retry-after" => {
            failed.tag = c.JOBHOST_PLUGIN_TYPES_JOB_ERROR_RETRY_AFTER;
            failed.val.retry_after = .{ .failure = failure("429", "too many"), .after = a_while };
            return false;
        },
        .uncaught => @panic("nobody catches this"),
        .progress => {
            var begun = plugin.lent("begun");
            c.jobhost_plugin_context_progress(1, null, &begun);
            plugin.progress(2, 3, "näher");
        },
        .logs => {
            plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_DEBUG, "a");
            plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_INFO, "b 🦀");
            plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_WARN, "c");
            plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_ERROR, "d");
        },
        .print => {
            const line = "to stdout 🦀\n";
            _ = std.c.write(1, line, line.len);
            std.debug.print("to stderr\n", .{});
        },
        .push => {
            var tenant = [1]c.plugin_tuple2_string_string_t{.{ .f0 = plugin.lent("tenant"), .f1 = plugin.lent("7") }};
            var first = draft("first");
            first.payload = plugin.lent(plugin.written(.{ .text = "ü" }));
            first.delay = .{ .is_some = true, .val = a_while };
            first.ttr = .{ .is_some = true, .val = 3 };
            first.metadata = .{ .ptr = &tenant, .len = tenant.len };
            var refusal: c.jobhost_plugin_queue_push_error_t = undefined;
            if (!c.jobhost_plugin_queue_push(&first, &refusal)) @panic("refused");
            var second = draft("second");
            var id: c.plugin_string_t = undefined;
            if (!c.jobhost_plugin_queue_push_now(&second, &id, &refusal)) @panic("refused");
            object(output, .{ .id = plugin.bytes(id) });
        },
        .@"refused-push" => {
            var first = draft("first");
            var refusal: c.jobhost_plugin_queue_push_error_t = undefined;
            const pushed = c.jobhost_plugin_queue_push(&first, &refusal);
            const denied = !pushed and refusal.tag == c.JOBHOST_PLUGIN_QUEUE_PUSH_ERROR_DENIED;
            object(output, .{ .refused = if (denied) "denied" else "otherwise" });
        },
        .loop => while (true) std.mem.doNotOptimizeAway(a_while),
        .@"fill-memory" => while (true) {
            const more = std.heap.c_allocator.alloc(u8, 1 << 20) catch @panic("out of memory");
            std.mem.doNotOptimizeAway(more.ptr);
        },
        .random => object(output, .{
            .numbers = .{ numberFromTheHost(), numberFromTheHost() },
            .id = plugin.print("{d}", .{numberFromTheHost()}),
        }),
        .job => object(output, .{
            .id = plugin.bytes(job.id),
            .key = plugin.bytes(job.key),
            .name = plugin.bytes(job.name),
            .attempt = job.attempt,
            .of = job.max_attempts.val,
            .ttr = job.ttr,
            .tenant = tenantOf(job),
            .remaining = c.jobhost_plugin_context_remaining() > 0,
        }),
    }
    return true;
}

fn object(output: *c.plugin_string_t, members: anytype) void {
    output.* = plugin.copied(plugin.written(members));
}

fn draft(name: []const u8) c.jobhost_plugin_queue_job_draft_t {
    var empty = std.mem.zeroes(c.jobhost_plugin_queue_job_draft_t);
    empty.queue = plugin.lent("follow-up");
    empty.name = plugin.lent(name);
    return empty;
}

fn failure(code: []const u8, message: []const u8) c.jobhost_plugin_types_failure_t {
    var made = std.mem.zeroes(c.jobhost_plugin_types_failure_t);
    made.code = plugin.copied(code);
    made.message = plugin.copied(message);
    return made;
}

fn failureWithDetails() c.jobhost_plugin_types_failure_t {
    // It is freed by the bindings.
    const details = std.heap.c_allocator.alloc(c.plugin_tuple2_string_string_t, 1) catch @panic("out of memory");
    details[0] = .{ .f0 = plugin.copied("path"), .f1 = plugin.copied("a.b") };
    var made = failure("never", "nobody can");
    made.details = .{ .ptr = details.ptr, .len = details.len };
    return made;
}

fn tenantOf(job: *const c.jobhost_plugin_types_job_t) []const u8 {
    for (0..job.metadata.len) |at| {
        const entry = job.metadata.ptr[at];
        if (std.mem.eql(u8, plugin.bytes(entry.f0), "tenant")) return plugin.bytes(entry.f1);
    }
    return "";
}

fn numberFromTheHost() u32 {
    var number: u32 = undefined;
    if (std.os.wasi.random_get(std.mem.asBytes(&number), @sizeOf(u32)) != .SUCCESS) @panic("no randomness");
    return number;
}

export fn exports_jobhost_plugin_time_to_run_get_ttr(
    told: *const c.jobhost_plugin_types_job_draft_t,
    seconds: *c.jobhost_plugin_types_seconds_t,
) bool {
    seconds.* = 90;
    return Payload.of(told.payload).is("take-long");
}

export fn exports_jobhost_plugin_retry_policy_can_retry(
    _: *const c.jobhost_plugin_types_job_t,
    cause: *const c.jobhost_plugin_types_failure_cause_t,
    answer: *c.jobhost_plugin_types_retry_decision_t,
) void {
    answer.tag = c.JOBHOST_PLUGIN_TYPES_RETRY_DECISION_UNCHANGED;
    if (std.mem.eql(u8, codeOf(cause), "busy")) {
        answer.tag = c.JOBHOST_PLUGIN_TYPES_RETRY_DECISION_RETRY_AFTER;
        answer.val.retry_after = a_while;
    }
    if (cause.tag == c.JOBHOST_PLUGIN_TYPES_FAILURE_CAUSE_TIMED_OUT) {
        answer.tag = c.JOBHOST_PLUGIN_TYPES_RETRY_DECISION_GIVE_UP;
        answer.val.give_up = plugin.copied("timed-out");
    }
}

fn codeOf(cause: *const c.jobhost_plugin_types_failure_cause_t) []const u8 {
    if (cause.tag != c.JOBHOST_PLUGIN_TYPES_FAILURE_CAUSE_RETURNED) return "";
    return plugin.bytes(cause.val.returned.val.temporary.code);
}

export fn exports_jobhost_plugin_before_push_before_push(
    told: *const c.jobhost_plugin_types_job_draft_t,
    answer: *c.exports_jobhost_plugin_before_push_push_decision_t,
    _: *c.plugin_string_t,
) bool {
    const payload = Payload.of(told.payload);
    answer.tag = c.EXPORTS_JOBHOST_PLUGIN_BEFORE_PUSH_PUSH_DECISION_ACCEPT;
    if (payload.is("reject")) {
        answer.tag = c.EXPORTS_JOBHOST_PLUGIN_BEFORE_PUSH_PUSH_DECISION_REJECT;
        answer.val.reject = plugin.copied("nichts für uns");
    }
    if (payload.is("replace")) {
        answer.tag = c.EXPORTS_JOBHOST_PLUGIN_BEFORE_PUSH_PUSH_DECISION_REPLACE;
        answer.val.replace = told.*;
        answer.val.replace.name = plugin.copied("other");
        answer.val.replace.payload = plugin.copied(plugin.written(.{ .text = "ü" }));
    }
    return true;
}

export fn exports_jobhost_plugin_before_exec_before_exec(
    job: *const c.jobhost_plugin_types_job_t,
    answer: *c.exports_jobhost_plugin_before_exec_exec_decision_t,
    _: *c.plugin_string_t,
) bool {
    const payload = Payload.of(job.payload);
    answer.tag = c.EXPORTS_JOBHOST_PLUGIN_BEFORE_EXEC_EXEC_DECISION_PROCEED;
    if (payload.is("skip")) {
        answer.tag = c.EXPORTS_JOBHOST_PLUGIN_BEFORE_EXEC_EXEC_DECISION_SKIP;
        answer.val.skip = plugin.copied("nichts für uns");
    }
    if (payload.is("postpone")) {
        answer.tag = c.EXPORTS_JOBHOST_PLUGIN_BEFORE_EXEC_EXEC_DECISION_POSTPONE;
        answer.val.postpone = a_while;
    }
    if (payload.is("fail")) {
        answer.tag = c.EXPORTS_JOBHOST_PLUGIN_BEFORE_EXEC_EXEC_DECISION_FAIL;
        answer.val.fail = failureWithDetails();
    }
    return true;
}

export fn exports_jobhost_plugin_after_exec_after_exec(
    _: *const c.jobhost_plugin_types_job_t,
    output: *const c.plugin_string_t,
    _: *const c.jobhost_plugin_types_attempt_report_t,
    failed: *c.plugin_string_t,
) bool {
    const heard = plugin.read(struct { text: []const u8 }, output.*) orelse {
        failed.* = plugin.copied("the output has no text");
        return false;
    };
    if (plugin.push("follow-up", "heard", heard)) |refusal| {
        failed.* = plugin.copied(refusal);
        return false;
    }
    return true;
}

export fn exports_jobhost_plugin_after_error_after_error(
    _: *const c.jobhost_plugin_types_job_t,
    cause: *const c.jobhost_plugin_types_failure_cause_t,
    _: *const c.jobhost_plugin_types_retry_decision_t,
    _: *const c.jobhost_plugin_types_attempt_report_t,
    answer: *c.jobhost_plugin_types_retry_decision_t,
    _: *c.plugin_string_t,
) bool {
    const message = plugin.bytes(cause.val.returned.val.temporary.message);
    plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_WARN, plugin.print("{s}: {s}", .{ codeOf(cause), message }));
    answer.tag = c.JOBHOST_PLUGIN_TYPES_RETRY_DECISION_RETRY_AFTER;
    answer.val.retry_after = a_while;
    return true;
}
