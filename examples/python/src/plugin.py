"""Writes the receipt of an order."""

import logging
import os
from dataclasses import dataclass

from jobhost_plugin import Draft, Job, JobError, context, handler, queue


@dataclass
class Line:
    """A part of the payload."""

    item: str
    quantity: int
    cents: int


@dataclass
class Order:
    """The payload. What is no such JSON is a permanent error, `invalid-payload`, before the handler is called."""

    order: str
    lines: list[Line]


@dataclass
class Receipt:
    """The output: JSON that is kept with the job."""

    order: str
    pieces: int
    cents: int


MOST_LINES = 100
MOST_PIECES = 100
MOST_CENTS = 100_000


@handler
def receipt(job: Job[Order]) -> Receipt:
    order, lines = job.payload.order, job.payload.lines
    check(order, lines)
    shop = os.environ.get("SHOP")
    if shop is None:
        # Granted in jobhost.toml. Without it the job is tried again: by then the operator may have granted it.
        raise JobError.temporary("no-shop", "no variable SHOP is granted")
    logging.info("%s: %d lines", order, len(lines))
    pieces = cents = 0
    for done, line in enumerate(lines, start=1):
        pieces += line.quantity
        cents += line.quantity * line.cents
        # Shown by `jobhost status`.
        context.progress(done, len(lines), line.item)
    text = f"{shop}: order {order}, {pieces} pieces, {cents // 100}.{cents % 100:02}"
    # Stored when this job is done, or not at all.
    queue.push(Draft("mail", "send-receipt", {"order": order, "text": text}))
    return Receipt(order, pieces, cents)


def check(order: str, lines: list[Line]) -> None:
    """Raises where there can be no receipt: the order will be no better at another attempt."""
    if not order:
        raise bad_order("an order has a number")
    if not 1 <= len(lines) <= MOST_LINES:
        raise bad_order(f"an order has 1 to {MOST_LINES} lines")
    for line in lines:
        # JSON has one kind of numbers: the type does not say that they are not negative.
        if line.quantity < 0 or line.cents < 0:
            raise JobError.permanent("invalid-payload", f"{line.item}: a number is negative")
        if not 1 <= line.quantity <= MOST_PIECES:
            raise bad_order(f"{line.item}: a quantity goes from 1 to {MOST_PIECES}")
        if line.cents > MOST_CENTS:
            raise bad_order(f"{line.item}: a price is at most {MOST_CENTS} cents")


def bad_order(message: str) -> JobError:
    return JobError.permanent("bad-order", message)
