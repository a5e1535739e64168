"""What stands between a function of a plugin and the interface that it exports.

A decorator puts a class where componentize-py looks for it: in the function's own module.
"""

import importlib
import inspect
import json
import sys
import traceback
import typing
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world.imports import types as host

from .errors import JobError, with_causes
from .hooks import (
    AttemptReport,
    Fail,
    FailureCause,
    Postpone,
    Reject,
    Replace,
    RetryDecision,
    Skip,
    decision_from_host,
    decision_to_host,
    no_decision,
)
from .job import Draft, Job
from .payload import write
from .text import well_formed
from .times import milliseconds, whole_seconds

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def handler(run: F) -> F:
    """Runs jobs. What it returns is kept with the job as JSON; None is no output."""
    wanted = _payload_of(run)

    class Handler:
        def execute(self, job: host.Job) -> str:
            try:
                output = run(Job.from_host(job, wanted))
                return "" if output is None else _written(job.name, output)
            except Exception as error:
                raise Err(JobError.of(error).to_host()) from None

    return _exported(run, "Handler", Handler)


def time_to_run(ask: Callable[[Draft], timedelta | None]) -> Callable[[Draft], timedelta | None]:
    """How long an attempt of a job may take, or None."""

    class TimeToRun:
        def get_ttr(self, draft: host.JobDraft) -> int | None:
            ttr = ask(Draft.from_host(draft))
            return None if ttr is None else whole_seconds(ttr)

    return _exported(ask, "TimeToRun", TimeToRun)


def retry_policy(ask: Callable[[Job[Any], FailureCause], RetryDecision | None]) -> Callable[..., Any]:
    """Whether a failed job is tried again."""

    class RetryPolicy:
        def can_retry(self, job: host.Job, cause: host.FailureCause) -> host.RetryDecision:
            return decision_to_host(ask(Job.from_host(job, Any), FailureCause.from_host(cause)))

    return _exported(ask, "RetryPolicy", RetryPolicy)


def before_push(hear: Callable[[Draft], Replace | Reject | None]) -> Callable[..., Any]:
    """Hears of a job before it is stored; None accepts it as it is."""
    wit = _interface("before_push")

    class BeforePush:
        def before_push(self, draft: host.JobDraft) -> Any:
            return _heard(lambda: decided(hear(Draft.from_host(draft))))

    def decided(decision: Replace | Reject | None) -> Any:
        match decision:
            case None:
                return wit.PushDecision_Accept()
            case Reject(reason):
                return wit.PushDecision_Reject(well_formed(reason))
            case Replace(other):
                return wit.PushDecision_Replace(other.to_host())
        raise no_decision(decision, "Replace or Reject")

    return _exported(hear, "BeforePush", BeforePush)


def before_exec(hear: Callable[[Job[Any]], Skip | Postpone | Fail | None]) -> Callable[..., Any]:
    """Hears of a job before it runs; None lets it run."""
    wit = _interface("before_exec")

    class BeforeExec:
        def before_exec(self, job: host.Job) -> Any:
            return _heard(lambda: decided(hear(Job.from_host(job, Any))))

    def decided(decision: Skip | Postpone | Fail | None) -> Any:
        match decision:
            case None:
                return wit.ExecDecision_Proceed()
            case Skip(reason):
                return wit.ExecDecision_Skip(well_formed(reason))
            case Postpone(by):
                return wit.ExecDecision_Postpone(milliseconds(by))
            case Fail(failure):
                return wit.ExecDecision_Fail(failure.to_host())
        raise no_decision(decision, "Skip, Postpone or Fail")

    return _exported(hear, "BeforeExec", BeforeExec)


def after_exec(hear: Callable[[Job[Any], Any, AttemptReport], None]) -> Callable[..., Any]:
    """Hears of a job that is done, with its output, which is None where there is none."""

    class AfterExec:
        def after_exec(self, job: host.Job, output: str, report: host.AttemptReport) -> None:
            read = lambda: json.loads(output) if output else None
            _heard(lambda: hear(Job.from_host(job, Any), read(), AttemptReport.from_host(report)))

    return _exported(hear, "AfterExec", AfterExec)


def after_error(
    hear: Callable[[Job[Any], FailureCause, RetryDecision, AttemptReport], RetryDecision | None],
) -> Callable[..., Any]:
    """Hears of a failed attempt, and has the last word on what becomes of the job."""

    class AfterError:
        def after_error(
            self,
            job: host.Job,
            cause: host.FailureCause,
            decision: host.RetryDecision,
            report: host.AttemptReport,
        ) -> host.RetryDecision:
            def decided() -> host.RetryDecision:
                told = Job.from_host(job, Any), FailureCause.from_host(cause), decision_from_host(decision)
                return decision_to_host(hear(*told, AttemptReport.from_host(report)))

            return _heard(decided)

    return _exported(hear, "AfterError", AfterError)


def _exported(function: F, name: str, exported: type) -> F:
    module = sys.modules[function.__module__]
    if hasattr(module, name):
        raise TypeError(f"{module.__name__}.{name} is there already; one function exports an interface")
    # Nothing would ever run it.
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{module.__name__}.{function.__name__} is `async`; write it without")
    if not hasattr(importlib.import_module("wit_world.exports"), name):
        interface = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).strip("-")
        raise TypeError(
            f"wit/world.wit does not export what {module.__name__}.{function.__name__} is for; "
            f"add `export jobhost:plugin/{interface}@0.1.0;`"
        )
    setattr(module, name, exported)
    return function


def _payload_of(run: Callable[..., Any]) -> Any:
    """What the handler's parameter says of the payload."""
    first = next(iter(typing.get_type_hints(run).values()), Any)
    return next(iter(typing.get_args(first)), Any) if typing.get_origin(first) is Job else Any


def _interface(name: str) -> Any:
    """Of an interface that the world exports. It is there when the component is made."""
    return importlib.import_module(f"wit_world.exports.{name}")


def _heard(hook: Callable[[], T]) -> T:
    """A hook's error is text."""
    try:
        return hook()
    except Exception as error:
        traceback.print_exc()
        raise Err(with_causes(error)) from None


def _written(name: str, output: Any) -> str:
    try:
        return write(output)
    except (TypeError, ValueError) as error:
        raise JobError.permanent("invalid-output", f"the output of {name}: {error}") from error
