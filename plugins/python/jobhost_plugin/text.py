"""Text as the host takes it."""

from collections.abc import Mapping


def well_formed(value: object) -> str:
    """The text without halves of characters, which the host does not take."""
    return str(value).encode(errors="replace").decode()


def pairs(named: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names and values as text."""
    return [(well_formed(name), well_formed(value)) for name, value in named.items()]
