"""Messages about a person's own part: what failed, with what, and at which line of the person's file."""

from __future__ import annotations

import inspect
from typing import Any

from nets.custom import Custom
from nets.custom_field import name_of
from nets.errors import ConfigError


def fails(what: str, config: Custom, on: str, error: BaseException) -> ConfigError:
    """The error of a part that failed.

    Args:
        what: a loss, a metric, ...
        on: what it was called with, as `on 5 rows`.
    """
    return ConfigError(
        f"{what} {name_of(config)} fails {on}: {type(error).__name__}: {error}{line_of(config, error)}."
    )


def cannot_be_made(what: str, config: Custom, error: BaseException) -> ConfigError:
    """The error of a class that failed when it was made."""
    return ConfigError(
        f"{what} {name_of(config)} cannot be made with {config.arguments}: {type(error).__name__}: "
        f"{error}{line_of(config, error)}."
    )


def signature_of(part: Any) -> str:
    """The arguments of a part, for a message."""
    try:
        return str(inspect.signature(part))
    except (TypeError, ValueError):
        return "no signature that Python can read"


def line_of(config: Custom, error: BaseException) -> str:
    """Where in the person's file it failed."""
    entry = config.source.partition(":")[0].rpartition("/")[2]
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(entry):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f" ({entry}, line {line})"
