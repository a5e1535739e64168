//! Announces greetings and gives up on what will never work: hooks to change into your own.

const std = @import("std");
const plugin = @import("plugin.zig");
const c = plugin.c;

/// The output of the jobs that are done.
const Greeting = struct {
    text: []const u8,
};

/// Hears of every job that is done. False with a text says that the hook itself is broken.
export fn exports_jobhost_plugin_after_exec_after_exec(
    job: *const c.jobhost_plugin_types_job_t,
    output: *const c.plugin_string_t,
    _: *const c.jobhost_plugin_types_attempt_report_t,
    failure: *c.plugin_string_t,
) bool {
    plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_INFO, plugin.print("{s} is done", .{plugin.bytes(job.name)}));
    const greeting = plugin.read(Greeting, output.*) orelse {
        failure.* = plugin.copied("the output has no `text`");
        return false;
    };
    // Stored in the step that settles the job, or not at all.
    if (plugin.push("follow-up", "announce", greeting)) |refusal| {
        failure.* = plugin.copied(refusal);
        return false;
    }
    return true;
}

/// Hears of every attempt that has failed, and has the last word on what becomes of the job.
export fn exports_jobhost_plugin_after_error_after_error(
    job: *const c.jobhost_plugin_types_job_t,
    cause: *const c.jobhost_plugin_types_failure_cause_t,
    _: *const c.jobhost_plugin_types_retry_decision_t,
    _: *const c.jobhost_plugin_types_attempt_report_t,
    answer: *c.jobhost_plugin_types_retry_decision_t,
    _: *c.plugin_string_t,
) bool {
    const code = codeOf(cause);
    const line = plugin.print("{s} has failed: {s}", .{ plugin.bytes(job.name), code });
    plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_WARN, line);
    answer.tag = c.JOBHOST_PLUGIN_TYPES_RETRY_DECISION_UNCHANGED;
    if (std.mem.eql(u8, code, "no-name")) {
        answer.tag = c.JOBHOST_PLUGIN_TYPES_RETRY_DECISION_GIVE_UP;
        answer.val.give_up = plugin.copied("nobody will have a name later");
    }
    return true;
}

/// The handler's own code, or a word for what the host found.
fn codeOf(cause: *const c.jobhost_plugin_types_failure_cause_t) []const u8 {
    if (cause.tag == c.JOBHOST_PLUGIN_TYPES_FAILURE_CAUSE_TIMED_OUT) return "timed-out";
    if (cause.tag != c.JOBHOST_PLUGIN_TYPES_FAILURE_CAUSE_RETURNED) return "stopped";
    const failure = &cause.val.returned;
    if (failure.tag == c.JOBHOST_PLUGIN_TYPES_JOB_ERROR_RETRY_AFTER) {
        return plugin.bytes(failure.val.retry_after.failure.code);
    }
    return plugin.bytes(failure.val.temporary.code);
}
