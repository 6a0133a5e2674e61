# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Checked settings: frozen pydantic dataclasses whose errors are sentences for the user."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import field, fields, is_dataclass
from difflib import get_close_matches
from reprlib import repr as short_repr
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, ValidationError, WrapValidator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import ErrorDetails
from typing_extensions import dataclass_transform

from hiseg_ros.errors import ConfigError

_Settings = TypeVar('_Settings')


def _as_given(value: Any, check: Any) -> Any:
    """Check a number and return it unchanged: 1 stays a whole number, also in config.yaml."""
    check(value)
    return value


# Strict: a quoted number is a text, and true is no number.
Switch = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0)]
CountFromOne = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[float, Field(strict=True), WrapValidator(_as_given)]
AtLeastZero = Annotated[float, Field(strict=True, ge=0), WrapValidator(_as_given)]
AboveZero = Annotated[float, Field(strict=True, gt=0), WrapValidator(_as_given)]
Share = Annotated[float, Field(strict=True, ge=0, le=1), WrapValidator(_as_given)]
BelowOne = Annotated[float, Field(strict=True, ge=0, lt=1), WrapValidator(_as_given)]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def settings(cls: type[_Settings]) -> type[_Settings]:
    """Make a class a frozen dataclass that checks types and ranges of its fields.

    Lists become tuples, unknown keys are refused, and numbers must be finite. A `__post_init__`
    checks what concerns several fields, with `require`. The constructor raises a ConfigError with
    a sentence for each field that cannot be used.
    """
    checked = pydantic_dataclass(
        frozen=True, config=ConfigDict(extra='forbid', allow_inf_nan=False)
    )(cls)
    check = checked.__init__

    @functools.wraps(check)
    def init(self: Any, *args: Any, **values: Any) -> None:
        try:
            check(self, *args, **values)
        except ValidationError as problem:
            raise ConfigError(' '.join(sentences(problem, cls))) from problem

    checked.__init__ = init  # type: ignore[method-assign]
    return cast('type[_Settings]', checked)


class SettingError(ValueError):
    """A value that does not go with the other settings."""

    def __init__(self, key: str, found: object, expected: str, advice: str) -> None:
        """Take the parts of the sentence for the user."""
        super().__init__(f'{key} is {found!r}; expected {expected}: {advice}')
        self.key, self.found, self.expected, self.advice = key, found, expected, advice


def require(
    key: str, value: object, is_usable: bool, expected: str, advice: str = 'correct it'
) -> None:
    """Refuse a value that does not go with the other settings.

    Raises:
        SettingError: It is not usable; the constructor turns it into a ConfigError.
    """
    if not is_usable:
        raise SettingError(key, value, expected, advice)


def sentences(problem: ValidationError, cls: type[Any], file: str = '') -> Iterator[str]:
    """Yield a sentence for each setting that cannot be used.

    Args:
        problem: Raised by pydantic.
        cls: Settings that were made.
        file: Path of the file with the values; empty where they come from code.

    Yields:
        File, key, what was found, what was expected, and what to do.
    """
    told: set[str] = set()
    for error in problem.errors(include_url=False):
        places = list(error['loc'])
        if error['type'] == 'invalid_key':
            places = [*map(str, places)]
        elif places and isinstance(places[0], int):
            places[0] = fields(cls)[places[0]].name  # an argument that was given by position
        reason = error.get('ctx', {}).get('error')
        if isinstance(reason, SettingError):
            places.append(reason.key)
        elif error['type'] == 'missing' and isinstance(places[-1], int):
            places.pop()  # a list with too few values, which is told once
        key = ''.join(
            f'[{place}]' if isinstance(place, int) else f'.{place}' for place in places
        ).strip('.')
        if key not in told:
            told.add(key)
            found, expected, advice = _explained(error, places, cls)
            where = f'In {file}, {key}' if file else f'Setting {key}'
            yield f'{where} {found}; expected {expected}: {advice}.'


def _explained(
    error: ErrorDetails, places: Sequence[int | str], cls: type[Any]
) -> tuple[str, str, str]:
    """Return in words what was found, what was expected, and what to do."""
    kind, reason = error['type'], error.get('ctx', {}).get('error')
    if isinstance(reason, SettingError):
        return f'is {short_repr(reason.found)}', reason.expected, reason.advice
    if reason is not None:  # a sentence of a part that checks itself
        fault, _, expected = str(reason).rstrip('.').partition('; expected ')
        return f'cannot be used ({fault})', expected, 'correct it'
    found = f'is {short_repr(error["input"])}'
    if kind in ('unexpected_keyword_argument', 'invalid_key'):
        known = _keys_at(places[:-1], cls)
        likely = get_close_matches(str(places[-1]), known, 1)
        advice = f'write {likely[0]}' if likely else 'remove it'
        return 'is an unknown key', f'one of {", ".join(known)}', advice
    if kind == 'missing' and not isinstance(error['loc'][-1], int):
        return 'is missing', 'a value', 'add the key'
    if kind == 'dataclass_type':
        return found, f'some of the keys {", ".join(_keys_at(places, cls))}', 'correct it'
    if kind == 'float_type':
        return found, 'a number', 'YAML reads 1e-3 as text, write 1.0e-3'
    text = _EXPECTED.get(kind, error['msg'].removeprefix('Input should be '))
    return found, text.format(**error.get('ctx', {})), 'correct it'


_EXPECTED = {
    'bool_type': 'true or false',
    'dict_type': 'keys with values',
    'finite_number': 'a finite number',
    'greater_than': 'a number above {gt:g}',
    'greater_than_equal': 'a number of at least {ge:g}',
    'int_type': 'a whole number',
    'less_than': 'a number below {lt:g}',
    'less_than_equal': 'a number of at most {le:g}',
    'literal_error': 'one of {expected}',
    'missing': 'more values in the list',
    'string_type': 'a text',
    'too_long': '{max_length} values',
    'too_short': 'at least {min_length} entry',
    'tuple_type': 'a list',
}
"""What was expected in words, by pydantic's type of error."""


def _keys_at(places: Sequence[int | str], cls: type[Any]) -> list[str]:
    """Return the keys of the settings at a place, such as ('datasets', 'camvid')."""
    rest = iter(places)
    for place in rest:
        hint = get_type_hints(cls)[str(place)]
        if get_origin(hint) is dict:
            next(rest, None)  # the name of one of the settings
        kinds = (hint, *get_args(hint))
        cls = next(kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind))
    return [item.name for item in fields(cls)]
