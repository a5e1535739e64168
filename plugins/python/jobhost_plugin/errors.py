"""What a handler says when it fails."""

import traceback
from dataclasses import dataclass, field
from datetime import timedelta

from wit_world.imports import types as host

from .text import pairs, well_formed
from .times import checked, milliseconds


@dataclass
class Failure:
    """Why a job failed, for machines and for people."""

    code: str
    """Short and stable, such as `35020` or `upstream-503`."""
    message: str
    """A sentence for people."""
    details: dict[str, str] = field(default_factory=dict)
    """More, by name."""

    def to_host(self) -> host.Failure:
        return host.Failure(well_formed(self.code), well_formed(self.message), pairs(self.details))

    @staticmethod
    def from_host(failure: host.Failure) -> "Failure":
        return Failure(failure.code, failure.message, dict(failure.details))


class JobError(Exception):
    """How a handler's attempt failed.

    Any other exception is a temporary error with the code `error`, and has its traceback
    among its details.
    """

    def __init__(self, kind: str, failure: Failure, after: timedelta = timedelta()) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.kind = kind
        self.failure = failure
        self.after = checked(after)

    @classmethod
    def temporary(cls, code: str, message: str) -> "JobError":
        """Another attempt may succeed."""
        return cls("temporary", Failure(code, message))

    @classmethod
    def retry_after(cls, after: timedelta, code: str, message: str) -> "JobError":
        """Another attempt may succeed, but not before this long (HTTP 429 and the like)."""
        return cls("retry-after", Failure(code, message), after)

    @classmethod
    def permanent(cls, code: str, message: str) -> "JobError":
        """No attempt will succeed."""
        return cls("permanent", Failure(code, message))

    def detail(self, name: str, value: str) -> "JobError":
        """Adds a detail."""
        self.failure.details[name] = value
        return self

    @staticmethod
    def of(exception: Exception) -> "JobError":
        """Any exception as a job's error."""
        if isinstance(exception, JobError):
            return exception
        trace = "".join(traceback.format_exception(exception))
        return JobError.temporary("error", with_causes(exception)).detail("backtrace", trace)

    def to_host(self) -> host.JobError:
        failure = self.failure.to_host()
        if self.kind == "permanent":
            return host.JobError_Permanent(failure)
        if self.kind == "retry-after":
            return host.JobError_RetryAfter(host.DelayedFailure(failure, milliseconds(self.after)))
        return host.JobError_Temporary(failure)


def with_causes(exception: BaseException) -> str:
    """The exception and what caused it, one after the other."""
    texts: list[str] = []
    error: BaseException | None = exception
    # A cause may be its own.
    while error is not None and len(texts) < 10:
        texts.append(well_formed(f"{type(error).__name__}: {error}".removesuffix(": ")))
        error = error.__cause__
    return ": ".join(texts)
