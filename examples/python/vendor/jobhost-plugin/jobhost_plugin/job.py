"""Jobs as a plugin sees them, and those that are not stored yet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from wit_world.imports import types as host

from .errors import JobError
from .payload import InvalidPayload, plain, read, write
from .times import milliseconds, whole_seconds

P = TypeVar("P")


@dataclass(frozen=True)
class Job(Generic[P]):
    """A job that has been reserved for this attempt, with its payload as `P`.

    Of a dataclass the fields are checked, and those that it does not name are ignored;
    anything else is what `json` makes of the payload.
    """

    id: str
    """Unique within its queue."""
    key: str
    """Unique everywhere and the same for every attempt: an idempotency key."""
    queue: str
    """The queue's configured name."""
    name: str
    """The `class` of the stored message."""
    payload: P
    """What the job's pusher wrote."""
    attempt: int
    """1 for the first attempt."""
    max_attempts: int | None
    """The queue's limit; None: decided by the retry policy or a hook alone."""
    ttr: timedelta
    """How long this attempt may take."""
    pushed_at: datetime | None
    """When it was pushed; None where the pusher left no time (a PHP program)."""
    metadata: dict[str, str]
    """Names and values kept beside the payload."""

    @staticmethod
    def from_host(job: host.Job, wanted: Any) -> "Job[Any]":
        """Raises a permanent error where the payload is not what is wanted."""
        try:
            payload = read(json.loads(job.payload), wanted, "")
        except json.JSONDecodeError as error:
            raise JobError.permanent("invalid-payload", f"the payload of {job.name}: {error}") from error
        except InvalidPayload as error:
            message = f"the payload of {job.name}: {error.path}: {error.reason}"
            invalid = JobError.permanent("invalid-payload", message)
            raise invalid.detail("path", error.path).detail("reason", error.reason) from error
        pushed_at = None if job.pushed_at is None else datetime.fromtimestamp(job.pushed_at / 1000, UTC)
        return Job(
            id=job.id,
            key=job.key,
            queue=job.queue,
            name=job.name,
            payload=payload,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            ttr=timedelta(seconds=job.ttr),
            pushed_at=pushed_at,
            metadata=dict(job.metadata),
        )


@dataclass
class Draft:
    """A job that is not stored yet."""

    queue: str
    """The queue's configured name."""
    name: str
    """What to run."""
    payload: Any = field(default_factory=dict)
    """What JSON makes an object of: a mapping or a dataclass."""
    delay: timedelta | None = None
    """How long it waits first, in whole milliseconds."""
    ttr: timedelta | None = None
    """How long an attempt may take, in whole seconds; default: the handler's time-to-run, else the queue's."""
    metadata: dict[str, str] = field(default_factory=dict)
    """At most 4 KiB. Names that begin with `jobhost.` are the host's."""

    def to_host(self) -> host.JobDraft:
        """Raises ValueError or TypeError where the payload is no JSON object."""
        payload = plain(self.payload)
        if not isinstance(payload, Mapping):
            raise ValueError(f"it must be a JSON object, not {str(payload)[:40]}")
        return host.JobDraft(
            queue=self.queue,
            name=self.name,
            payload=write(payload),
            delay=None if self.delay is None else milliseconds(self.delay),
            ttr=None if self.ttr is None else whole_seconds(self.ttr),
            metadata=list(self.metadata.items()),
        )

    @staticmethod
    def from_host(draft: host.JobDraft) -> "Draft":
        return Draft(
            queue=draft.queue,
            name=draft.name,
            payload=json.loads(draft.payload or "{}"),
            delay=None if draft.delay is None else timedelta(milliseconds=draft.delay),
            ttr=None if draft.ttr is None else timedelta(seconds=draft.ttr),
            metadata=dict(draft.metadata),
        )
