"""What every plugin may do: log, show progress, ask for the time that is left."""

import logging
from datetime import timedelta

from wit_world.imports import context as host

from .text import well_formed


def remaining() -> timedelta:
    """Time left before the host interrupts this call.

    While the host stops it shrinks to what is left of the grace period.
    """
    return timedelta(milliseconds=host.remaining())


def progress(done: int, total: int | None, note: str = "") -> None:
    """Shows how far the job is, in whole numbers to 2**32 - 1. `total` is None where it is not known."""
    host.progress(_count(done), None if total is None else _count(total), well_formed(note))


def _count(number: int) -> int:
    # In this order what is no number is none.
    return int(min(max(0, number), 2**32 - 1))


class JobLog(logging.Handler):
    """Writes records to the job's log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:
            # As other handlers do: a mistake in a line for the log ends no job.
            self.handleError(record)
            return
        host.log(_level(record.levelno), well_formed(line))


def _level(number: int) -> host.Level:
    if number >= logging.ERROR:
        return host.Level.ERROR
    if number >= logging.WARNING:
        return host.Level.WARN
    if number >= logging.INFO:
        return host.Level.INFO
    return host.Level.DEBUG if number >= logging.DEBUG else host.Level.TRACE


# The host has levels of its own.
logging.basicConfig(level=logging.NOTSET, format="%(message)s", handlers=[JobLog()])
