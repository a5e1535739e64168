//! A server that plays the channel and the source of the asset pipeline: it takes files, articles and callbacks, each once
//! for an idempotency key, from whoever has the token, and answers as it was told to. See README.md.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example may")]

mod answer;
mod client;
mod kept;
mod message;
mod server;

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

const USAGE: &str = "channel-pub serve ADDRESS        serve, as 127.0.0.1:8099; 127.0.0.1:0 takes a free port
channel-pub start ADDRESS        the same in the background; it ends when nobody has asked it for ten minutes
channel-pub next STAGE ANSWER…   how to answer the next requests of upload, publish or callback, each one of:
                                 a status, such as 500; one with a Retry-After, such as 429:2;
                                 hang: never; close: close the connection; lose: take it, and then close the connection
channel-pub received             what has arrived
channel-pub told TASK            what the source has heard of a task; exit code 1 while that is nothing
channel-pub requests             each request and its answer
channel-pub json                 all of it
channel-pub stop                 end the server

Tokens are in channel.token and source.token, files that arrive go to the folder channel, and the server's address is in
channel.address, all in the working directory.";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("channel-pub: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    match arguments {
        ["serve", address] => server::serve(address, |address| println!("listening on {address}"))?,
        ["start", address] => start(address)?,
        ["next", stage, answers @ ..] if !answers.is_empty() => {
            client::ask("POST", &format!("/control/{stage}"), &answers.join("\n"))?;
        }
        ["received"] => received(&client::received()?)?,
        ["told", task] => return told(&client::received()?, task),
        ["requests"] => requests(&client::received()?)?,
        ["json"] => println!("{}", client::received()?),
        ["stop"] => {
            client::ask("POST", "/control/stop", "")?;
        }
        _ => return Err(format!("this is not known\n\n{USAGE}").into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts another process that serves, and ends when it does.
fn start(address: &str) -> Result<(), Box<dyn Error>> {
    let mut server = Command::new(env::current_exe()?)
        .args(["serve", address])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = server.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    if line.is_empty() {
        let mut why = String::new();
        if let Some(mut stderr) = server.stderr.take() {
            stderr.read_to_string(&mut why)?;
        }
        server.wait()?;
        return Err(why.trim().trim_start_matches("channel-pub: ").into());
    }
    print!("{line}");
    Ok(())
}

fn received(all: &Value) -> Result<(), Box<dyn Error>> {
    for kind in ["asset", "article", "callback"] {
        for value in list(all, &format!("{kind}s"))? {
            println!("{kind} {value}");
        }
    }
    Ok(())
}

fn told(all: &Value, task: &str) -> Result<ExitCode, Box<dyn Error>> {
    let mut code = ExitCode::FAILURE;
    let task: Value = serde_json::from_str(task)?;
    for callback in list(all, "callbacks")?.iter().filter(|callback| callback["task_id"] == task) {
        println!("{callback}");
        code = ExitCode::SUCCESS;
    }
    Ok(code)
}

fn requests(all: &Value) -> Result<(), Box<dyn Error>> {
    for request in list(all, "requests")? {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        println!("{} {} - {}", text("method"), text("path"), text("answer"));
    }
    Ok(())
}

fn list<'a>(all: &'a Value, name: &str) -> Result<&'a Vec<Value>, Box<dyn Error>> {
    all[name].as_array().ok_or_else(|| format!("the server's answer has no {name}").into())
}
