"""What hooks and policies are told, and what they may answer."""

from dataclasses import dataclass, field
from datetime import timedelta

from wit_world.imports import types as host

from .errors import Failure
from .job import Draft
from .text import well_formed
from .times import milliseconds


@dataclass(frozen=True)
class Unchanged:
    """What the host, or the link before this one, decided. A hook that returns None says the same."""


@dataclass(frozen=True)
class Retry:
    """Another attempt, after the queue's own backoff."""


@dataclass(frozen=True)
class RetryAfter:
    """Another attempt, after this long, in whole milliseconds."""

    after: timedelta


@dataclass(frozen=True)
class GiveUp:
    """No further attempt, and why."""

    reason: str


RetryDecision = Unchanged | Retry | RetryAfter | GiveUp
"""What becomes of a failed job."""


@dataclass(frozen=True)
class Replace:
    """Of a before-push hook: store this draft instead. Its queue must be the same."""

    draft: Draft


@dataclass(frozen=True)
class Reject:
    """Of a before-push hook: store nothing; the pusher is told why."""

    reason: str


@dataclass(frozen=True)
class Skip:
    """Of a before-exec hook: do not run the job; it is done, and this is why."""

    reason: str


@dataclass(frozen=True)
class Postpone:
    """Of a before-exec hook: do not run the job now; the attempt is not counted."""

    by: timedelta


@dataclass(frozen=True)
class Fail:
    """Of a before-exec hook: do not run the job; the attempt has failed."""

    failure: Failure


@dataclass(frozen=True)
class FailureCause:
    """Why an attempt ended badly: the handler's own error, or the host's finding."""

    kind: str
    """`temporary`, `retry-after` or `permanent`, or what the host found, such as `timed-out`."""
    code: str
    """The handler's own code, or the kind."""
    message: str
    """The handler's own message, or a sentence about what the host found."""
    details: dict[str, str] = field(default_factory=dict)
    """Of the handler's error."""
    after: timedelta | None = None
    """For how long the handler asked, with `retry-after`."""

    @staticmethod
    def from_host(cause: host.FailureCause) -> "FailureCause":
        if not isinstance(cause, host.FailureCause_Returned):
            kind = _KINDS[type(cause)]
            return FailureCause(kind, kind, _sentence(cause))
        error = cause.value
        if isinstance(error, host.JobError_RetryAfter):
            failure, after = error.value.failure, timedelta(milliseconds=error.value.after)
            return FailureCause("retry-after", failure.code, failure.message, dict(failure.details), after)
        kind = "permanent" if isinstance(error, host.JobError_Permanent) else "temporary"
        return FailureCause(kind, error.value.code, error.value.message, dict(error.value.details))


_KINDS = {
    host.FailureCause_TimedOut: "timed-out",
    host.FailureCause_OutOfMemory: "out-of-memory",
    host.FailureCause_OutOfFuel: "out-of-fuel",
    host.FailureCause_Trapped: "trapped",
    host.FailureCause_Exited: "exited",
    host.FailureCause_Crashed: "crashed",
    host.FailureCause_Limit: "limit",
    host.FailureCause_Unhandled: "unhandled",
    host.FailureCause_Undecodable: "undecodable",
    host.FailureCause_HookFailed: "hook-failed",
    host.FailureCause_Other: "other",
}


def _sentence(cause: host.FailureCause) -> str:
    match cause:
        case host.FailureCause_TimedOut(after):
            return f"it took longer than {after / 1000} s"
        case host.FailureCause_OutOfMemory(size):
            return f"it needed more memory than {size} bytes"
        case host.FailureCause_OutOfFuel(fuel):
            return f"it used up {fuel} units of fuel"
        case host.FailureCause_Exited(status):
            return f"it ended itself with status {status}"
        case host.FailureCause_Crashed(times):
            return f"its worker died {times} times"
        case host.FailureCause_Unhandled():
            return "no plugin handles a job of this name"
        case _:
            return cause.value


@dataclass(frozen=True)
class AttemptReport:
    """What an attempt cost."""

    waited: timedelta | None
    """How long the job waited."""
    duration: timedelta
    """How long it ran."""
    peak_memory: int
    """Bytes of linear memory at its highest."""
    plugin_digest: str
    """The version that ran, such as `sha256:...`."""

    @staticmethod
    def from_host(report: host.AttemptReport) -> "AttemptReport":
        waited = None if report.waited is None else timedelta(milliseconds=report.waited)
        duration = timedelta(milliseconds=report.duration)
        return AttemptReport(waited, duration, report.peak_memory, report.plugin_digest)


def decision_to_host(decision: RetryDecision | None) -> host.RetryDecision:
    match decision:
        case Retry():
            return host.RetryDecision_Retry()
        case RetryAfter(after):
            return host.RetryDecision_RetryAfter(milliseconds(after))
        case GiveUp(reason):
            return host.RetryDecision_GiveUp(well_formed(reason))
        case Unchanged() | None:
            return host.RetryDecision_Unchanged()
        case _:
            raise no_decision(decision, "Unchanged, Retry, RetryAfter or GiveUp")


def no_decision(answer: object, decisions: str) -> TypeError:
    """What is answered by mistake must not pass for a decision."""
    return TypeError(f"{answer!r} is no decision; return None, {decisions}")


def decision_from_host(decision: host.RetryDecision) -> RetryDecision:
    match decision:
        case host.RetryDecision_Retry():
            return Retry()
        case host.RetryDecision_RetryAfter(after):
            return RetryAfter(timedelta(milliseconds=after))
        case host.RetryDecision_GiveUp(reason):
            return GiveUp(reason)
        case _:
            return Unchanged()
