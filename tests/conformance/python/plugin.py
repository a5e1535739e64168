import logging
import random
import sys
import uuid
from datetime import timedelta
from typing import Any

from jobhost_plugin import (
    AttemptReport,
    Draft,
    Fail,
    Failure,
    FailureCause,
    GiveUp,
    Job,
    JobError,
    Postpone,
    PushError,
    Reject,
    Replace,
    RetryAfter,
    RetryDecision,
    Skip,
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

A_WHILE = timedelta(seconds=1.5)


@handler
def run(job: Job[dict[str, Any]]) -> Any:
    match job.payload["do"]:
        case "echo":
            return {"text": job.payload["text"]}
        case "temporary":
            raise JobError.temporary("busy", "later, perhaps")
        case "permanent":
            raise JobError.permanent("never", "nobody can").detail("path", "a.b")
        case "retry-after":
            raise JobError.retry_after(A_WHILE, "429", "too many")
        case "uncaught":
            return job.payload["absent"]
        case "progress":
            context.progress(1, None, "begun")
            context.progress(2, 3, "näher")
        case "logs":
            logging.debug("a")
            logging.info("b %s", "🦀")
            logging.warning("c")
            logging.error("d")
            # A mistake that ends no job; it is printed to stderr.
            logging.error("%d", "no number")
        case "print":
            print("to stdout 🦀")
            print("to stderr", file=sys.stderr)
        case "push":
            first = Draft("follow-up", "first", {"text": "ü"})
            first.delay, first.ttr, first.metadata = A_WHILE, timedelta(seconds=2.5), {"tenant": "7"}
            queue.push(first)
            return {"id": queue.push_now(Draft("follow-up", "second"))}
        case "refused-push":
            try:
                queue.push(Draft("follow-up", "first"))
            except PushError as error:
                return {"refused": error.kind}
        case "loop":
            while True:
                pass
        case "fill-memory":
            kept = []
            while True:
                kept.append(bytearray(1 << 20))
        case "random":
            return {"numbers": [random.random(), random.random()], "id": str(uuid.uuid4())}
        case "job":
            return {
                "id": job.id,
                "key": job.key,
                "name": job.name,
                "attempt": job.attempt,
                "of": job.max_attempts,
                "ttr": int(job.ttr.total_seconds()),
                "tenant": job.metadata["tenant"],
                "remaining": context.remaining() > timedelta(),
            }
    return None


@time_to_run
def ttr(draft: Draft) -> timedelta | None:
    return timedelta(seconds=89.5) if draft.payload["do"] == "take-long" else None


@retry_policy
def policy(job: Job[Any], cause: FailureCause) -> RetryDecision | None:
    if cause.code == "busy":
        return RetryAfter(A_WHILE)
    return GiveUp(cause.kind) if cause.kind == "timed-out" else None


@before_push
def check(draft: Draft) -> Replace | Reject | None:
    match draft.payload["do"]:
        case "reject":
            return Reject("nichts für uns")
        case "replace":
            draft.name, draft.payload = "other", {"text": "ü"}
            return Replace(draft)
    return None


@before_exec
def begin(job: Job[Any]) -> Skip | Postpone | Fail | None:
    match job.payload["do"]:
        case "skip":
            return Skip("nichts für uns")
        case "postpone":
            return Postpone(A_WHILE)
        case "fail":
            return Fail(Failure("never", "nobody can", {"path": "a.b"}))
    return None


@after_exec
def done(job: Job[Any], output: Any, report: AttemptReport) -> None:
    queue.push(Draft("follow-up", "heard", {"text": output["text"]}))


@after_error
def failed(job: Job[Any], cause: FailureCause, decision: RetryDecision, report: AttemptReport) -> RetryDecision:
    logging.warning("%s: %s", cause.code, cause.message)
    return RetryAfter(A_WHILE)
