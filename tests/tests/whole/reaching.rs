//! An author whose plugin needs a folder, a host or a log, and who knows nothing but what the tool says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use jobhost_tests::{Invocation, Workplace, repository};

use crate::making::{Made, jobhost, made, source_of, unless_missing};

pub(super) const CONFIG: &str = "greet/jobhost.toml";
pub(super) const SAMPLE: &str = "greet/needs.job.json";

/// A project whose handler is this source, with one sample that is to be done.
pub(super) fn project(language: &str, source: &str, payload: &str) -> Made {
    let place = made(language, &[]);
    place.write(&source_of(language), source);
    for file in ["greets", "no-name", "not-ready", "unicode"] {
        std::fs::remove_file(place.path(&format!("greet/{file}.job.json"))).unwrap();
    }
    place.write(SAMPLE, format!("{{\"payload\": {payload}, \"expect\": {{\"outcome\": \"done\"}}}}"));
    place
}

pub(super) fn tested(place: &Workplace) -> Invocation {
    jobhost(place, &["plugin", "test", "greet"])
}

/// Writes a line of the table of grants in place of the one of its key.
pub(super) fn grant(place: &Workplace, line: &str) {
    let text = String::from_utf8(place.read(CONFIG)).unwrap();
    let (before, grants) = text.split_once("[plugins.greet.grants]\n").unwrap();
    let key = |line: &str| line.split(" = ").next().unwrap_or_default().to_owned();
    let lines = grants.lines().filter(|line| !line.starts_with('#')).chain([line]);
    let lines: BTreeMap<_, _> = lines.map(|line| (key(line), line)).collect();
    let grants: Vec<_> = lines.into_values().collect();
    place.write(CONFIG, format!("{before}[plugins.greet.grants]\n{}\n", grants.join("\n")));
}

/// What stands between this and the next backtick, which must be in the text.
pub(super) fn after<'t>(text: &'t str, beginning: &str) -> &'t str {
    let from = text.find(beginning).unwrap_or_else(|| panic!("{beginning:?} is missing in {text}"));
    text[from + beginning.len()..].split('`').next().unwrap()
}

fn folder_by_what_is_said(language: &str) {
    let source = match language {
        "python" => {
            "from jobhost_plugin import Job, handler\n\n@handler\ndef read(job: Job[dict]) -> dict:\n    \
             with open(job.payload[\"file\"]) as file:\n        return {\"text\": file.read()}\n"
        }
        _ => {
            "use std::collections::BTreeMap;\nuse jobhost_plugin::{Job, JobError};\n\n#[jobhost_plugin::handler]\n\
             fn read(job: Job<BTreeMap<String, String>>) -> Result<String, JobError> {\n    \
             Ok(std::fs::read_to_string(&job.payload[\"file\"])?)\n}\n"
        }
    };
    let place = project(language, source, r#"{"file": "/data/in.txt"}"#);
    let told = tested(&place).run().exits_with(1);
    let told = told.prints("No such file or directory").prints("folders: none").prints("in greet/jobhost.toml");
    let line = format!("fs{}", after(&told.stdout, "to give it one, add `fs")).replace("FOLDER", "data");
    grant(&place, &line);
    tested(&place).run().exits_with(2).complains_clearly(&["data cannot be granted", "create it or correct `host`"]);
    place.make_folder("greet/data");
    let told = tested(&place).run().exits_with(1);
    told.prints("folders: `/data` (only to read, as its grant has no `mode = \"rw\"`), and what is below");
    place.write("greet/data/in.txt", "found");
    tested(&place).run().success().prints("1 as expected\n");
}

#[test]
fn a_folder_is_granted_by_what_the_tool_says_in_rust() {
    unless_missing("rust", folder_by_what_is_said);
}

#[test]
fn a_folder_is_granted_by_what_the_tool_says_in_python() {
    unless_missing("python", folder_by_what_is_said);
}

/// A server that answers every request with 200.
pub(super) fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").unwrap();
        }
    });
    address
}

#[test]
fn a_host_is_granted_by_what_the_tool_says() {
    let address = server();
    let by_socket = "use std::io::{Read, Write};\nuse std::collections::BTreeMap;\nuse jobhost_plugin::{Job, JobError};\n\n\
         #[jobhost_plugin::handler]\nfn fetch(job: Job<BTreeMap<String, String>>) -> Result<String, JobError> {\n    \
         let mut stream = std::net::TcpStream::connect(&job.payload[\"address\"])?;\n    \
         stream.write_all(b\"GET / HTTP/1.0\\r\\n\\r\\n\")?;\n    let mut text = String::new();\n    \
         stream.read_to_string(&mut text)?;\n    Ok(text)\n}\n";
    let payload = format!("{{\"address\": \"{address}\", \"url\": \"http://{address}/\"}}");
    let place = project("rust", by_socket, &payload);
    let told = tested(&place).run().exits_with(1);
    let told = told.prints("requests: none").prints("sockets are refused to every plugin");
    let module = after(&told.stdout, "it sends them by `");
    let by_request = format!(
        "use std::collections::BTreeMap;\nuse jobhost_plugin::{{Job, JobError}};\nuse {module}::Request;\n\n\
         #[jobhost_plugin::handler]\nfn fetch(job: Job<BTreeMap<String, String>>) -> Result<String, JobError> {{\n    \
         let answer = Request::get(&job.payload[\"url\"]).deliver(\"\")?;\n    Ok(String::from_utf8(answer.body)?)\n}}\n"
    );
    place.write(&source_of("rust"), by_request);
    let told = tested(&place).run().exits_with(1);
    let told = told.complains_clearly(&["imports `wasi:http/", "which is not granted"]);
    let line = format!("http{}", after(&told.stderr, "to allow it, add `http"));
    grant(&place, &line.replace("https://HOST/PATH/", &format!("http://{address}/")));
    // The address is a private one, which is granted apart.
    let told = tested(&place).run().exits_with(1);
    let line = format!("http{}", after(&told.stdout, "to allow it, set `http"));
    grant(&place, &line);
    tested(&place).run().success().prints("1 as expected\n");
}

#[test]
fn events_of_tracing_are_lines_of_the_log_as_far_as_rust_log_wants_them() {
    let source = "use jobhost_plugin::{Job, JobError, Json};\n\n#[jobhost_plugin::handler]\n\
         #[tracing::instrument(skip_all, fields(id = job.id))]\nfn run(job: Job<Json>) -> Result<(), JobError> {\n    \
         tracing::warn!(attempt = job.attempt, \"here\");\n    tracing::debug!(target: \"client\", \"there\");\n    Ok(())\n}\n";
    let place = project("rust", source, "{}");
    let manifest = String::from_utf8(place.read("greet/Cargo.toml")).unwrap();
    let manifest = manifest.replace(
        "jobhost-plugin = { path = \"vendor/jobhost-plugin\" }\n",
        "jobhost-plugin = { path = \"vendor/jobhost-plugin\", features = [\"tracing\"] }\n\
         tracing = { version = \"0.1\", default-features = false, features = [\"attributes\"] }\n",
    );
    place.write("greet/Cargo.toml", manifest);
    let here = r#"{"level": "warn", "message": "run{id=\"1\"}: here attempt=1"}"#;
    let there = r#"{"level": "debug", "message": "run{id=\"1\"}: client: there"}"#;
    let wanting = |grants: &str, logs: &[&str]| {
        let logs = logs.join(", ");
        place.write(
            SAMPLE,
            format!("{{\"grants\": {grants}, \"expect\": {{\"outcome\": \"done\", \"logs\": [{logs}]}}}}"),
        );
        tested(&place).run().success().prints("1 as expected\n");
    };
    wanting("{}", &[here]);
    wanting(r#"{"env": {"RUST_LOG": "client=debug"}}"#, &[here, there]);
    // Spans have levels, too.
    let alone = r#"{"level": "debug", "message": "client: there"}"#;
    wanting(r#"{"env": {"RUST_LOG": "client=debug,error"}}"#, &[alone]);
    let loud = r#"{"level": "warn", "message": "RUST_LOG: `loud` is neither a level nor TARGET=LEVEL"}"#;
    wanting(r#"{"env": {"RUST_LOG": "loud"}}"#, &[loud, here]);
}

#[test]
fn on_a_terminal_the_language_is_asked_for() {
    let place = Workplace::bare();
    let program = repository().join("target/debug/jobhost");
    assert!(program.is_file(), "{}", program.display());
    let answered = |answer: &str| {
        let line = format!(
            "echo {answer} | script --quiet --return --command \"'{}' plugin new greet\" /dev/null",
            program.display()
        );
        Command::new("sh").args(["-c", &line]).current_dir(place.path("")).output().unwrap()
    };
    let told = answered("cobol");
    assert_eq!(told.status.code(), Some(2), "{told:?}");
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(said.contains("Which language? (rust, ") && said.contains("a plugin can be written in rust, "), "{said}");
    assert_eq!(place.names(), [""; 0]);
    let told = answered("Python");
    assert!(told.status.success(), "{told:?}");
    assert!(place.path("greet/pyproject.toml").is_file());
}
