//! Writes the receipt of an order.

use std::env;

use jobhost_plugin::{Draft, Job, JobError, context, info, queue};
use serde::{Deserialize, Serialize};

/// The payload. What is no such JSON is a permanent error, `invalid-payload`, before the handler is called.
#[derive(Deserialize)]
struct Order {
    order: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    item: String,
    quantity: u32,
    cents: u32,
}

/// The output: JSON that is kept with the job.
#[derive(Serialize)]
struct Receipt {
    order: String,
    pieces: u32,
    cents: u32,
}

/// The payload of the follow-up job.
#[derive(Serialize)]
struct Mail<'a> {
    order: &'a str,
    text: String,
}

const MOST_LINES: usize = 100;
const MOST_PIECES: u32 = 100;
/// The sum of the largest order still fits.
const MOST_CENTS: u32 = 100_000;

#[jobhost_plugin::handler]
fn receipt(job: Job<Order>) -> Result<Receipt, JobError> {
    let Order { order, lines } = job.payload;
    check(&order, &lines).map_err(|why| JobError::permanent("bad-order", why))?;
    // Granted in jobhost.toml. Without it the job is tried again: by then the operator may have granted it.
    let shop = env::var("SHOP").map_err(|_| JobError::temporary("no-shop", "no variable SHOP is granted"))?;
    info!("{order}: {} lines", lines.len());
    let (mut pieces, mut cents) = (0, 0);
    for (done, line) in (1..).zip(&lines) {
        pieces += line.quantity;
        cents += line.quantity * line.cents;
        // Shown by `jobhost status`.
        context::progress(done, lines.len() as u32, &line.item);
    }
    let text = format!("{shop}: order {order}, {pieces} pieces, {}.{:02}", cents / 100, cents % 100);
    // Stored when this job is done, or not at all.
    queue::push(Draft::new("mail", "send-receipt", &Mail { order: &order, text })?)?;
    Ok(Receipt { order, pieces, cents })
}

/// Whether there can be a receipt. An order that is wrong will be no better at another attempt.
fn check(order: &str, lines: &[Line]) -> Result<(), String> {
    if order.is_empty() {
        return Err("an order has a number".to_owned());
    }
    if !(1..=MOST_LINES).contains(&lines.len()) {
        return Err(format!("an order has 1 to {MOST_LINES} lines"));
    }
    for Line { item, quantity, cents } in lines {
        if !(1..=MOST_PIECES).contains(quantity) {
            return Err(format!("{item}: a quantity goes from 1 to {MOST_PIECES}"));
        }
        if *cents > MOST_CENTS {
            return Err(format!("{item}: a price is at most {MOST_CENTS} cents"));
        }
    }
    Ok(())
}
