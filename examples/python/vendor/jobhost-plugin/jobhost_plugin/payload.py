"""JSON as dataclasses, and back."""

import dataclasses
import json
import types
import typing
from typing import Any


class InvalidPayload(Exception):
    """JSON that is not what was expected; `path` says where, such as `assets[1].type`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def read(value: Any, wanted: Any, path: str) -> Any:
    """The value as what is wanted: a dataclass, a type that JSON has, or a list, dict or union of such.

    What is not one of these is not looked at.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if dataclasses.is_dataclass(wanted):
        return _read_fields(_of(value, dict, "an object", path), wanted, path)
    if wanted is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if number else _wrong(value, "a number", path)
    if wanted is int:
        return _wrong(value, "a whole number", path) if isinstance(value, bool) else _of(value, int, "a whole number", path)
    if wanted in (str, bool):
        return _of(value, wanted, "a string" if wanted is str else "true or false", path)
    if wanted in (None, types.NoneType):
        return None if value is None else _wrong(value, "null", path)
    if origin is list and arguments:
        items = _of(value, list, "an array", path)
        return [read(item, arguments[0], f"{path}[{at}]") for at, item in enumerate(items)]
    if origin is dict and arguments:
        items = _of(value, dict, "an object", path)
        return {name: read(item, arguments[1], _below(path, name)) for name, item in items.items()}
    if origin in (typing.Union, types.UnionType):
        return _read_one_of(value, arguments, path)
    return value


def _read_fields(value: dict[str, Any], wanted: Any, path: str) -> Any:
    hints = typing.get_type_hints(wanted)
    given = {}
    for field in dataclasses.fields(wanted):
        if not field.init:
            continue
        if field.name in value:
            given[field.name] = read(value[field.name], hints[field.name], _below(path, field.name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InvalidPayload(path or ".", f"missing field `{field.name}`")
    try:
        return wanted(**given)
    except ValueError as error:
        raise InvalidPayload(path or ".", str(error)) from error


def _read_one_of(value: Any, wanted: tuple[Any, ...], path: str) -> Any:
    """The first that it is; if it is none, what is wrong with the last that is no null."""
    if value is None and types.NoneType in wanted:
        return None
    problem = InvalidPayload(path or ".", "it may not be anything")
    for one in wanted:
        if one is types.NoneType:
            continue
        try:
            return read(value, one, path)
        except InvalidPayload as wrong:
            problem = wrong
    raise problem


def _of(value: Any, wanted: type, what: str, path: str) -> Any:
    return value if isinstance(value, wanted) else _wrong(value, what, path)


def _wrong(value: Any, what: str, path: str) -> Any:
    raise InvalidPayload(path or ".", f"expected {what}, found {str(value)[:40]!r}")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def write(value: Any) -> str:
    """JSON text, of dataclasses, too; raises ValueError or TypeError where there is none."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_fields)
    # The host takes no half of a character but as an escape.
    return text if _is_unicode(text) else json.dumps(value, allow_nan=False, default=_fields)


def _fields(value: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
