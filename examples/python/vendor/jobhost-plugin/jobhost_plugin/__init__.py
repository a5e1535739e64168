"""Write plugins for jobhost in Python: one decorated function for each interface.

    from dataclasses import dataclass
    from jobhost_plugin import Draft, Job, JobError, context, handler, queue

    @dataclass
    class Resize:
        image: str
        width: int = 100

    @handler
    def resize(job: Job[Resize]) -> dict[str, str]:
        if job.payload.width == 0:
            raise JobError.permanent("no-width", "an image cannot be 0 pixels wide")
        context.progress(1, 2, "read")
        queue.push(Draft("upload", "upload", {"size": 3}))
        return {"path": f"/{job.id}.png"}

The other decorators are `time_to_run`, `retry_policy`, `before_push`, `before_exec`,
`after_exec` and `after_error`. Each function is to be defined in the module that is made
a component, for an interface that `wit/world.wit` exports.

The modules `jobhost_plugin.http`, `.config` and `.keyvalue` are for what a plugin is granted;
each says which line it wants in `wit/world.wit`. Files of a granted folder are opened as ever.

Importing this module sends the records of `logging` to the job's log. What is printed is
kept as the job's output to stdout and stderr. Import modules at the top of yours: a
component has those that were imported when it was made, and no others.
"""

from . import context, queue
from .decorators import after_error, after_exec, before_exec, before_push, handler, retry_policy, time_to_run
from .errors import Failure, JobError
from .hooks import (
    AttemptReport,
    Fail,
    FailureCause,
    GiveUp,
    Postpone,
    Reject,
    Replace,
    Retry,
    RetryAfter,
    RetryDecision,
    Skip,
    Unchanged,
)
from .job import Draft, Job
from .queue import PushError

__all__ = [
    "AttemptReport",
    "Draft",
    "Fail",
    "Failure",
    "FailureCause",
    "GiveUp",
    "Job",
    "JobError",
    "Postpone",
    "PushError",
    "Reject",
    "Replace",
    "Retry",
    "RetryAfter",
    "RetryDecision",
    "Skip",
    "Unchanged",
    "after_error",
    "after_exec",
    "before_exec",
    "before_push",
    "context",
    "handler",
    "queue",
    "retry_policy",
    "time_to_run",
]
