//! Command lines that are read, and those that are refused.

use super::*;

/// The command line, options read from the environment left out.
fn parse(line: &str) -> Result<Command, clap::Error> {
    let words = std::iter::once("jobhost").chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command)
}

#[test]
fn documented_command_lines_are_read() {
    for line in [
        "run",
        "run --plugin a.wasm --plugin b.wasm --concurrency 4 --queue a --queue b",
        "listen --store sqlite:x.db --config x.toml --json",
        "push copy_asset",
        "push copy_asset {} --queue q --delay 5m --ttr 10m",
        "push copy_asset -",
        "push copy_asset @file.json",
        "push --batch -",
        "push --batch jobs.jsonl --queue q",
        "info",
        "info a b --json",
        "status copy-asset/1",
        "exec --plugin x.wasm --name n {}",
        "exec --plugin x.wasm - --ttr 90s",
        "failed list --queue a",
        "failed show a/1",
        "failed retry a/1 a/2",
        "failed retry --all",
        "failed remove a/1 2 --queue a",
        "failed prune --older 30d",
        "remove 1 --queue a",
        "clear a --yes",
        "config check --color never",
        "workers --store sqlite:x.db --json",
        "plugin list --json",
        "plugin inspect x.wasm --json",
        "plugin check --config x.toml",
        "plugin new greet",
        "plugin new greet --lang rust --hooks",
        "plugin build",
        "plugin build greet --json --timeout 10m",
        "plugin test greet --update",
        "plugin test --watch --timeout 90s",
        "bench",
        "bench --only drain --only store --runs 1 --json --store redis://localhost",
        "bench --jobs 10 --backlog 1000000 --threads 1 --concurrency 4 --plugin x.wasm --payload-bytes 16 --folder . --synchronous normal",
        "completions bash",
        "--log-format json info",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn wrong_command_lines_are_refused() {
    for line in [
        "",
        "push",
        "push a {} --batch -",
        "push a --delay 5",
        "run --concurrency 0",
        "run --concurrency 1025",
        "failed retry",
        "failed retry a/1 --all",
        "failed remove",
        "failed prune",
        "exec {}",
        "clear",
        "clear a --queue b",
        "config",
        "plugin",
        "plugin inspect",
        "plugin check x.wasm",
        "plugin new",
        "plugin new greet --lang cobol",
        "plugin build a b",
        "plugin test --watch --update",
        "plugin test --timeout 10",
        "plugin build --timeout 0",
        "bench --jobs 0",
        "bench --jobs 10000001",
        "bench --concurrency 1025",
        "bench --backlog 10000001",
        "bench --threads 0",
        "bench --payload-bytes 15",
        "bench --payload-bytes 1000001",
        "bench --runs 0",
        "bench --runs 101",
        "bench --only everything",
        "bench --synchronous off",
        "plugin list x",
        "workers x",
        "completions tcsh",
        "info --color sometimes",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn a_delay_without_unit_says_what_to_write() {
    let message = parse("push a --delay 5").unwrap_err().to_string();
    assert!(message.contains("`5` has no unit; write \"5s\""), "{message}");
}
