"""Values that jobs keep in the job store, beside the queues. They are JSON.

    from jobhost_plugin import keyvalue

    bucket = keyvalue.Bucket("tasks")
    names = bucket.update("names", lambda names: [*(names or []), "Ada"])
    bucket.increment("changes", 1)

`wit/world.wit` has to import `wasi:keyvalue/atomics@0.2.0-draft2`, and the operator to grant the
bucket: `keyvalue = [{ bucket = "tasks", mode = "rw" }]`.

A change is made at once, whatever becomes of the attempt, as long as the attempt holds its
job: an attempt that comes after one that was lost finds what that one wrote.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from componentize_py_types import Err

from .errors import JobError
from .payload import write
from .text import well_formed

try:
    from wit_world.imports import wasi_keyvalue_atomics as atomics
    from wit_world.imports import wasi_keyvalue_store as host
except ImportError:
    line = "import wasi:keyvalue/atomics@0.2.0-draft2;"
    raise ImportError(f"to use jobhost_plugin.keyvalue, add `{line}` to wit/world.wit") from None

T = TypeVar("T")


class Bucket:
    """The bucket that the operator has granted by this name.

    What is asked of it raises a JobError: permanent, `keyvalue-denied`, where it is not granted,
    or only its reading; temporary, `keyvalue-failed`, where the store does not answer, the attempt
    has lost its job, or a limit is reached. The host's log says what a refusal would take.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle = self._asked(lambda: host.open(well_formed(name)))

    def get(self, key: str) -> Any:
        """The value at a key; None where nothing is. Raises ValueError where it is no JSON."""
        found = self._asked(lambda: self._handle.get(well_formed(key)))
        return None if found is None else json.loads(found)

    def set(self, key: str, value: Any) -> None:
        """Stores a value, in the place of any that is there. Raises ValueError or TypeError where it is no JSON."""
        self._asked(lambda: self._handle.set(well_formed(key), _written(value)))

    def delete(self, key: str) -> None:
        """Drops a key, if it is there."""
        self._asked(lambda: self._handle.delete(well_formed(key)))

    def exists(self, key: str) -> bool:
        """Whether something is at a key."""
        return self._asked(lambda: self._handle.exists(well_formed(key)))

    def keys(self) -> list[str]:
        """All keys, in the order of their bytes. Each counts against the limit `bucket-keys`."""
        keys: list[str] = []
        cursor = None
        while True:
            page = self._asked(lambda: self._handle.list_keys(cursor))
            keys += page.keys
            cursor = page.cursor
            if cursor is None:
                return keys

    def increment(self, key: str, by: int) -> int:
        """Adds to the whole number at a key, which is 0 where nothing is, in one step. Returns the sum.

        An attempt that is repeated adds again; where that must not be, let `update` keep who was counted.
        """
        return self._asked(lambda: atomics.increment(self._handle, well_formed(key), by))

    def update(self, key: str, change: Callable[[Any], T]) -> T:
        """Changes the value at a key to what `change` makes of it, in one step. Returns what is there now.

        Where somebody else has changed it meanwhile, `change` is asked again, about the newer one.
        A value that stays the same is not written, and neither is anything if `change` raises.
        """
        cas = self._asked(lambda: atomics.Cas.new(self._handle, well_formed(key)))
        while True:
            before = self._asked(cas.current)
            value = change(None if before is None else json.loads(before))
            after = _written(value)
            if before == after:
                return value
            try:
                atomics.swap(cas, after)
                return value
            except Err as error:
                if not isinstance(error.value, atomics.CasError_CasFailed):
                    raise self._failed(error.value.value) from None
                cas = error.value.value

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except Err as error:
            raise self._failed(error.value) from None

    def _failed(self, error: Any) -> JobError:
        if isinstance(error, host.Error_Other):
            return JobError.temporary("keyvalue-failed", f"the bucket `{self._name}`: {error.value}")
        what = "is not granted" if isinstance(error, host.Error_NoSuchStore) else "may not be written"
        return JobError.permanent("keyvalue-denied", f"the bucket `{self._name}` {what}")


def _written(value: Any) -> bytes:
    return write(value).encode()
