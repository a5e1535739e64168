const std = @import("std");

/// Makes zig-out/bin/plugin.wasm, a core module. `jobhost plugin build` makes the bindings of wit/, calls this, and makes the
/// component.
pub fn build(b: *std.Build) void {
    const target = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .wasi });
    const optimize = .small;
    const bindings = b.addTranslateC(.{
        .root_source_file = b.path("bindings/plugin.h"),
        .target = target,
        .optimize = optimize,
    });
    const plugin = b.addExecutable(.{
        .name = "plugin",
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/handler.zig"),
            .target = target,
            .optimize = optimize,
            .link_libc = true,
            // A backtrace then names functions. `jobhost plugin build` leaves out the other debug data.
            .strip = false,
            .imports = &.{.{ .name = "bindings", .module = bindings.createModule() }},
        }),
    });
    plugin.root_module.addCSourceFile(.{ .file = b.path("bindings/plugin.c") });
    // It has the interface in it.
    plugin.root_module.addObjectFile(b.path("bindings/plugin_component_type.o"));
    plugin.wasi_exec_model = .reactor;
    // The default is a stack of 16 MiB. With 64 KiB the memory of a small plugin stays resident in the host and costs nothing
    // to reset between jobs.
    plugin.stack_size = 64 * 1024;
    b.installArtifact(plugin);
}
