//! Greets people: a job handler to change into your own.

const std = @import("std");
const plugin = @import("plugin.zig");
const c = plugin.c;

/// The payload: the JSON with which the job was pushed.
const Greet = struct {
    name: []const u8,
    ready_at_attempt: u32 = 0,
};

/// The output: JSON that is kept with the job.
const Greeting = struct {
    text: []const u8,
    attempt: u32,
};

/// The payload of the follow-up job.
const Announce = struct {
    text: []const u8,
};

fn greet(job: *const c.jobhost_plugin_types_job_t) plugin.Result(Greeting) {
    const payload = plugin.read(Greet, job.payload) orelse
        return .{ .permanent = .{ .code = "invalid-payload", .message = "the payload has no text `name`" } };
    if (payload.name.len == 0) {
        // It will be no better next time.
        return .{ .permanent = .{ .code = "no-name", .message = "nobody to greet" } };
    }
    if (job.attempt < payload.ready_at_attempt) {
        // It may be next time.
        const message = plugin.print("there is no greeting before attempt {d}", .{payload.ready_at_attempt});
        return .{ .temporary = .{ .code = "not-ready", .message = message } };
    }
    plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_INFO, plugin.print("greeting {s}", .{payload.name}));
    plugin.progress(1, 2, "greeting");
    const text = plugin.print("Hello, {s}!", .{payload.name});
    // Stored when this job is done, or not at all.
    if (plugin.push("follow-up", "announce", Announce{ .text = text })) |refusal| {
        return .{ .temporary = .{ .code = "push", .message = refusal } };
    }
    plugin.progress(2, 2, "announced");
    return .{ .done = .{ .text = text, .attempt = job.attempt } };
}

export fn exports_jobhost_plugin_handler_execute(
    job: *const c.jobhost_plugin_types_job_t,
    output: *c.plugin_string_t,
    failure: *c.jobhost_plugin_types_job_error_t,
) bool {
    switch (greet(job)) {
        .done => |greeting| {
            output.* = plugin.copied(plugin.written(greeting));
            return true;
        },
        .temporary => |why| {
            failure.tag = c.JOBHOST_PLUGIN_TYPES_JOB_ERROR_TEMPORARY;
            failure.val.temporary = told(why);
        },
        .permanent => |why| {
            failure.tag = c.JOBHOST_PLUGIN_TYPES_JOB_ERROR_PERMANENT;
            failure.val.permanent = told(why);
        },
    }
    return false;
}

fn told(why: plugin.Failure) c.jobhost_plugin_types_failure_t {
    var failure = std.mem.zeroes(c.jobhost_plugin_types_failure_t);
    failure.code = plugin.copied(why.code);
    failure.message = plugin.copied(why.message);
    return failure;
}
