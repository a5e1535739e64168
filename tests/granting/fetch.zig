const std = @import("std");
const plugin = @import("plugin.zig");
const c = plugin.c;

const Fetch = struct {
    url: []const u8,
};

fn fetch(job: *const c.jobhost_plugin_types_job_t) plugin.Result([]const u8) {
    const payload = plugin.read(Fetch, job.payload) orelse
        return .{ .permanent = .{ .code = "invalid-payload", .message = "the payload has no text `url`" } };
    const answer = switch (plugin.fetch("GET", payload.url, "")) {
        .answer => |answer| answer,
        .failure => |failure| return .{ .temporary = failure },
    };
    const file = std.c.fopen("/data/in.txt", "r") orelse
        return .{ .temporary = .{ .code = "file", .message = "/data/in.txt cannot be opened" } };
    var text: [64]u8 = undefined;
    const size = std.c.fread(&text, 1, text.len, file);
    return .{ .done = plugin.print("{s}{s}", .{ answer.body, text[0..size] }) };
}

export fn exports_jobhost_plugin_handler_execute(
    job: *const c.jobhost_plugin_types_job_t,
    output: *c.plugin_string_t,
    failure: *c.jobhost_plugin_types_job_error_t,
) bool {
    switch (fetch(job)) {
        .done => |text| {
            output.* = plugin.copied(plugin.written(.{ .text = text }));
            return true;
        },
        .temporary, .permanent => |why| {
            failure.tag = c.JOBHOST_PLUGIN_TYPES_JOB_ERROR_TEMPORARY;
            failure.val.temporary = std.mem.zeroes(c.jobhost_plugin_types_failure_t);
            failure.val.temporary.code = plugin.copied(why.code);
            failure.val.temporary.message = plugin.copied(why.message);
            return false;
        },
    }
}
