//! Pushes two jobs from a Rust program: now, and in an hour. It needs no
//! configuration and no plugin, only the store's address and the channel.
#![expect(clippy::print_stdout, reason = "an example may")]

use std::error::Error;
use std::time::Duration;

use jobhost_queue::{Channel, NewJob, OpenOptions, Pushed, Token, envelope, open};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "sqlite:jobhost.db".into());
    let store = open(&address, OpenOptions::default()).await?;
    let channel = Channel::new("default")?;

    let now = NewJob::new(envelope::encode("greet", r#"{"name":"Ada"}"#)?, 300);
    let later = NewJob { delay: Duration::from_hours(1), ..now.clone() };

    // A push whose answer was lost may be sent again with its token: the jobs
    // are stored once.
    match store.push(&channel, Token::random(), None, &[now, later]).await? {
        Pushed::Stored(ids) => {
            for id in ids {
                println!("{channel}/{id}");
            }
        }
        Pushed::Lost => unreachable!("only a push with a fence can lose it"),
    }
    Ok(())
}
