"""Announces greetings and gives up on what will never work: hooks to change into your own."""

import logging
from typing import Any

from jobhost_plugin import (
    AttemptReport,
    Draft,
    FailureCause,
    GiveUp,
    Job,
    RetryDecision,
    Unchanged,
    after_error,
    after_exec,
    queue,
)


@after_exec
def announce(job: Job[Any], output: Any, report: AttemptReport) -> None:
    """Hears of every job that is done."""
    logging.info("%s is done", job.name)
    # Stored in the step that settles the job, or not at all.
    queue.push(Draft("follow-up", "announce", {"text": output["text"]}))


@after_error
def decide(job: Job[Any], cause: FailureCause, decision: RetryDecision, report: AttemptReport) -> RetryDecision:
    """Hears of every attempt that has failed, and has the last word on what becomes of the job."""
    logging.warning("%s has failed: %s", job.name, cause.code)
    if cause.code == "no-name":
        return GiveUp("nobody will have a name later")
    return Unchanged()
