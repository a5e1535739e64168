"""Times as the host counts them."""

from datetime import timedelta


def milliseconds(time: timedelta) -> int:
    """Whole ones, and none for less than none. Raises TypeError where it is no time."""
    return max(checked(time) // timedelta(milliseconds=1), 0)


def whole_seconds(time: timedelta) -> int:
    """Rounded up, at least 1, as the host keeps it. Raises TypeError where it is no time."""
    return min(max(-(-checked(time) // timedelta(seconds=1)), 1), 2**32 - 1)


def checked(time: timedelta) -> timedelta:
    """A number of what would be anybody's guess. Raises TypeError where it is no time."""
    if isinstance(time, timedelta):
        return time
    raise TypeError(f"expected a timedelta, found {time!r}")
