"""Pushing follow-up jobs. It needs a grant for the target queue."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from componentize_py_types import Err
from wit_world.imports import queue as host
from wit_world.imports.types import JobDraft

from .job import Draft

T = TypeVar("T")


class PushError(Exception):
    """Why a job was not pushed.

    `kind` is `denied`, not granted, no such queue, or not from within this function;
    `rejected` by a before-push hook; `invalid`, too large, too many or not encodable;
    `unavailable`, the store does not answer, or this attempt has lost its lease.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


def push(draft: Draft) -> None:
    """Pushes a job in the same transaction that settles this attempt.

    A handler's pushes are stored only if the attempt is done; a hook's with the outcome
    that it heard of, a retry included. Raises PushError.
    """
    _asked(lambda: host.push(_checked(draft)))


def push_many(drafts: Iterable[Draft]) -> None:
    """Like `push`: all of them or none."""
    everything = [_checked(draft) for draft in drafts]
    _asked(lambda: host.push_many(everything))


def push_now(draft: Draft) -> str:
    """Stores a job at once, whatever becomes of this attempt. Returns its id: then it is stored once.

    A PushError of the kind `unavailable` leaves open whether it is; a further call is another
    job. So push one that may run twice, or use `push`.
    """
    return _asked(lambda: host.push_now(_checked(draft)))


def _checked(draft: Draft) -> JobDraft:
    try:
        return draft.to_host()
    except (TypeError, ValueError) as error:
        raise PushError("invalid", str(error)) from None


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except Err as error:
        kind = type(error.value).__name__.removeprefix("PushError_").lower()
        raise PushError(kind, error.value.value) from None
