"""Times as the host counts them."""

from datetime import timedelta


def milliseconds(time: timedelta) -> int:
    """Whole ones, and none for less than none."""
    return max(time // timedelta(milliseconds=1), 0)


def whole_seconds(time: timedelta) -> int:
    """Rounded up, at least 1, as the host keeps it."""
    return min(max(-(-time // timedelta(seconds=1)), 1), 2**32 - 1)
