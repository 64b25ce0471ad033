"""A field of a configuration that takes what ships, or a part of a person's own.

What a `Custom` is checked by depends on the part, which pydantic cannot know where the field is declared.
"""

from __future__ import annotations

from typing import Any

from pydantic import SerializerFunctionWrapHandler, ValidatorFunctionWrapHandler
from pydantic.functional_serializers import WrapSerializer
from pydantic.functional_validators import WrapValidator

from nets.config import to_dict
from nets.custom import Custom, from_record, is_record


def validate(value: Any, others: ValidatorFunctionWrapHandler) -> Any:
    """A `Custom`, or its record, as a `Custom`; anything else by the type beside it."""
    if isinstance(value, Custom):
        return value
    if is_record(value):
        return from_record(value)
    return others(value)


def _validate_custom(value: Any, _: ValidatorFunctionWrapHandler) -> Custom:
    def refuse(other: Any, _location: str | int | None = None, /) -> Any:
        raise ValueError(f"must be Custom(a function), got {other!r}.")

    made: Custom = validate(value, refuse)
    return made


def _validate_optional(value: Any, others: ValidatorFunctionWrapHandler) -> Custom | None:
    return None if value is None else _validate_custom(value, others)


def name_of(custom: Custom) -> str:
    """The part's own name, without the file or module it is in."""
    return custom.source.partition(":")[2]


def _dump(value: Any, others: SerializerFunctionWrapHandler) -> Any:
    return to_dict(value) if isinstance(value, Custom) else others(value)


CHECKED = WrapValidator(validate)
"""Beside the type of what ships in an `Annotated`: a `Custom`, or its record, is taken too."""
ONLY_CUSTOM = WrapValidator(_validate_custom)
"""Beside `Any` in an `Annotated`: only a `Custom`, or its record, is taken."""
OPTIONAL_CUSTOM = WrapValidator(_validate_optional)
"""As `ONLY_CUSTOM`, or None."""
DUMPED = WrapSerializer(_dump)
"""Beside `CHECKED`: a `Custom` is written as its record."""
