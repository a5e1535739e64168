//! Writes the receipt of an order.

const std = @import("std");
const plugin = @import("plugin.zig");
const c = plugin.c;

/// The payload.
const Order = struct {
    order: []const u8,
    lines: []const Line,
};

const Line = struct {
    item: []const u8,
    quantity: u32,
    cents: u32,
};

/// The output: JSON that is kept with the job.
const Receipt = struct {
    order: []const u8,
    pieces: u32,
    cents: u32,
};

/// The payload of the follow-up job.
const Mail = struct {
    order: []const u8,
    text: []const u8,
};

const most_lines = 100;
const most_pieces = 100;
/// The sum of the largest order still fits.
const most_cents = 100_000;

fn receipt(job: *const c.jobhost_plugin_types_job_t) plugin.Result(Receipt) {
    const payload = plugin.read(Order, job.payload) orelse
        return .{ .permanent = .{ .code = "invalid-payload", .message = "the payload has not the members of an order" } };
    const order, const lines = .{ payload.order, payload.lines };
    if (wrong(order, lines)) |why| {
        // It will be no better at another attempt.
        return .{ .permanent = .{ .code = "bad-order", .message = why } };
    }
    // Granted in jobhost.toml. Without it the job is tried again: by then the operator may have granted it.
    const shop = std.c.getenv("SHOP") orelse
        return .{ .temporary = .{ .code = "no-shop", .message = "no variable SHOP is granted" } };
    plugin.log(c.JOBHOST_PLUGIN_CONTEXT_LEVEL_INFO, plugin.print("{s}: {d} lines", .{ order, lines.len }));
    var pieces: u32 = 0;
    var cents: u32 = 0;
    for (lines, 1..) |line, done| {
        pieces += line.quantity;
        cents += line.quantity * line.cents;
        // Shown by `jobhost status`.
        plugin.progress(@intCast(done), @intCast(lines.len), line.item);
    }
    const parts = .{ std.mem.span(shop), order, pieces, cents / 100, cents % 100 };
    const text = plugin.print("{s}: order {s}, {d} pieces, {d}.{d:0>2}", parts);
    // Stored when this job is done, or not at all.
    if (plugin.push("mail", "send-receipt", Mail{ .order = order, .text = text })) |refusal| {
        return .{ .temporary = .{ .code = "push", .message = refusal } };
    }
    return .{ .done = .{ .order = order, .pieces = pieces, .cents = cents } };
}

/// Why there can be no receipt.
fn wrong(order: []const u8, lines: []const Line) ?[]const u8 {
    if (order.len == 0) {
        return "an order has a number";
    }
    if (lines.len < 1 or lines.len > most_lines) {
        return plugin.print("an order has 1 to {d} lines", .{most_lines});
    }
    for (lines) |line| {
        if (line.quantity < 1 or line.quantity > most_pieces) {
            return plugin.print("{s}: a quantity goes from 1 to {d}", .{ line.item, most_pieces });
        }
        if (line.cents > most_cents) {
            return plugin.print("{s}: a price is at most {d} cents", .{ line.item, most_cents });
        }
    }
    return null;
}

export fn exports_jobhost_plugin_handler_execute(
    job: *const c.jobhost_plugin_types_job_t,
    output: *c.plugin_string_t,
    failure: *c.jobhost_plugin_types_job_error_t,
) bool {
    switch (receipt(job)) {
        .done => |answer| {
            output.* = plugin.copied(plugin.written(answer));
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
