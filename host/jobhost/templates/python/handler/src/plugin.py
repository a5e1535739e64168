"""Greets people: a job handler to change into your own."""

import logging
from dataclasses import dataclass

from jobhost_plugin import Draft, Job, JobError, context, handler, queue


@dataclass
class Greet:
    """The payload: the JSON with which the job was pushed."""

    name: str
    ready_at_attempt: int = 0


@dataclass
class Greeting:
    """The output: JSON that is kept with the job."""

    text: str
    attempt: int


@handler
def greet(job: Job[Greet]) -> Greeting:
    name, ready_at_attempt = job.payload.name, job.payload.ready_at_attempt
    if not name:
        # It will be no better next time.
        raise JobError.permanent("no-name", "nobody to greet")
    if job.attempt < ready_at_attempt:
        # It may be next time. Any other exception says the same.
        raise JobError.temporary("not-ready", f"there is no greeting before attempt {ready_at_attempt}")
    logging.info("greeting %s", name)
    context.progress(1, 2, "greeting")
    text = f"Hello, {name}!"
    # Stored when this job is done, or not at all.
    queue.push(Draft("follow-up", "announce", {"text": text}))
    context.progress(2, 2, "announced")
    return Greeting(text, job.attempt)
