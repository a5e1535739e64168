"""Jobs as a plugin sees them, and those that are not stored yet."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from wit_world.imports import types as host

from .errors import JobError
from .payload import InvalidPayload, read, write
from .text import pairs, well_formed
from .times import milliseconds, whole_seconds

P = TypeVar("P")


@dataclass(frozen=True)
class Job(Generic[P]):
    """A job that has been reserved for this attempt, with its payload as `P`.

    Of a dataclass the fields are checked, and those that it does not name are ignored; it may
    raise ValueError of values that it does not take. Anything else is what `json` makes of the
    payload.
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
        except (ValueError, RecursionError) as error:
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
    """What JSON makes an object of: a dictionary or a dataclass, with such in it."""
    delay: timedelta | None = None
    """How long it waits first, in whole milliseconds."""
    ttr: timedelta | None = None
    """How long an attempt may take, in whole seconds; default: the handler's time-to-run, else the queue's."""
    metadata: dict[str, str] = field(default_factory=dict)
    """At most 4 KiB. Names that begin with `jobhost.` are the host's."""

    def to_host(self) -> host.JobDraft:
        """Raises ValueError or TypeError where it is no draft that the host could be asked about."""
        for field_name, value in ("queue", self.queue), ("name", self.name):
            if not isinstance(value, str):
                raise TypeError(f"the {field_name} of a draft must be a string, not {value!r}")
        return host.JobDraft(
            queue=well_formed(self.queue),
            name=well_formed(self.name),
            payload=self._payload_as_json(),
            delay=None if self.delay is None else milliseconds(self.delay),
            ttr=None if self.ttr is None else whole_seconds(self.ttr),
            metadata=pairs(self.metadata),
        )

    def _payload_as_json(self) -> str:
        try:
            text = write(self.payload)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the payload of {self.name}: {error}") from error
        if not text.startswith("{"):
            raise ValueError(f"the payload of {self.name} must be a JSON object, not {text[:40]}")
        return text

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
