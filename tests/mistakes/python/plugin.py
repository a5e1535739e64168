"""What plugins say by mistake."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobhost_plugin import (
    Draft,
    Job,
    JobError,
    Postpone,
    Reject,
    after_error,
    after_exec,
    before_exec,
    before_push,
    context,
    handler,
    queue,
    retry_policy,
    time_to_run,
)

HALF = "a\ud83e"


@dataclass
class Size:
    width: int

    def __post_init__(self) -> None:
        if self.width < 0:
            raise ValueError("a width is not negative")


@dataclass
class Payload:
    do: str
    size: Size | None = None
    number: Any = None


@handler
def run(job: Job[Payload]) -> Any:
    match job.payload.do:
        case "halves":
            context.progress(1, None, HALF)
            queue.push(Draft("follow-up", HALF, metadata={HALF: HALF}))
        case "progress":
            context.progress(-1, 2**33)
            context.progress(1.5, 3_000_000_000)
        case "no-name":
            queue.push(Draft("follow-up", None))
        case "no-delay":
            queue.push(Draft("follow-up", "first", delay=5))
        case "nested":
            queue.push(Draft("follow-up", "first", {"sizes": [Size(1)]}))
            return {"sizes": [Size(2)]}
        case "no-time":
            raise JobError.retry_after(5, "429", "too many")
    return None


@time_to_run
def ttr(draft: Draft) -> timedelta | None:
    return draft.payload.get("seconds")


@retry_policy
def policy(job: Job[Any], cause: Any) -> Any:
    return "retry"


@before_push
def check(draft: Draft) -> Any:
    return Reject(HALF) if draft.payload["do"] == "half" else False


@before_exec
def begin(job: Job[Any]) -> Any:
    return Postpone(5) if job.payload["do"] == "number" else "skip"


@after_exec
def done(job: Job[Any], output: Any, report: Any) -> None:
    pass


@after_error
def failed(job: Job[Any], cause: Any, decision: Any, report: Any) -> Any:
    return "retry"
