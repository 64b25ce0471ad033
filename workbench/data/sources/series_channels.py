"""The channels of a series: which columns they are, their values as numbers, and what is no number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.data.number_text import number_of
from workbench.data.profile import Column as Profile
from workbench.data.profile import profile_columns
from workbench.data.rows import BROKEN
from workbench.data.sources.column_sentences import describe_numbers, describe_other_decimals
from workbench.data.sources.open_table import OpenTable
from workbench.data.sources.table_columns import names_rows
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column


def value_of(name: str, profile: Profile, decimal: str) -> Column:
    """A channel that is text as doubles; null for what is no number. Values that are missing: see `not_a_number`."""
    return number_of(name, decimal, (), signs=profile.has_signs, units=profile.used_units)


def find_channels(
    named: tuple[str, ...], targets: tuple[str, ...], opened: OpenTable, taken: set[str]
) -> tuple[tuple[str, ...], dict[str, Profile], list[str]]:
    """The channels that are named, or all other columns of numbers; what those that are text hold; and
    what is to be said.

    Raises:
        DataError: there is no channel, or one has numbers of several units.
    """
    from pyspark.sql import functions as F

    kinds = dict(opened.frame.dtypes)
    columns = [name for name in opened.columns if name not in taken]
    if named:
        columns = [name for name in named if kinds[name] == "string"]
    rows = opened.frame.where(F.col(BROKEN).isNull())
    profiles = (
        profile_columns(rows, columns, missing=opened.missing, decimal=opened.decimal)
        if columns
        else {}
    )
    channels, said = (named, []) if named else _choose_channels(targets, profiles, opened.decimal)
    for name in channels:
        if (profile := profiles.get(name)) is None:
            continue
        if profile.mixture:
            raise DataError(
                f"The numbers of the channel {name!r} have different signs or units, "
                f"{profile.mixture}. Write them in one, or leave it out of data.source.channels."
            )
        said += describe_numbers(name, profile)
    return channels, profiles, said


def _choose_channels(
    targets: tuple[str, ...], profiles: dict[str, Profile], decimal: str
) -> tuple[tuple[str, ...], list[str]]:
    channels, said = [], []
    for name, profile in profiles.items():
        if name in targets:
            channels.append(name)
        elif names_rows(name, profile):
            said.append(f"Column not used: {name}; it only counts or names the rows.")
        elif profile.mixture:
            said.append(
                f"Column not used: {name}; its numbers have different signs or units, "
                f"{profile.mixture}."
            )
        elif profile.has_other_decimals:
            why = describe_other_decimals(profile, decimal)
            said.append(f"Column not used: {name}; {why}.")
        elif not profile.is_number and not (
            profile.numbers and profile.numbers * 2 > profile.present
        ):
            why = (
                f"it is no number, such as {profile.odd!r}" if profile.odd else "it holds no number"
            )
            said.append(f"Column not used: {name}; {why}.")
        else:
            channels.append(name)
    if not channels:
        raise DataError(
            f"The table has no column left for a channel. {' '.join(said)} Name some with "
            "--set data.source.channels='[\"COLUMN\"]'."
        )
    return tuple(channels), [f"Channels: {', '.join(channels)}.", *said]


def not_a_number(name: str, raw: Column, value: Column, missing: tuple[str, ...]) -> Column:
    """The reason why a channel's value cannot be used, else null."""
    from pyspark.sql import functions as F

    number = value.cast("float")
    not_finite = F.isnan(number) | (F.abs(number) == float("inf"))
    absent = raw.isNull() | F.trim(raw.cast("string")).isin(*missing)
    return F.when(absent, F.lit(f"{name} is missing")).when(
        number.isNull() | not_finite, explain(f"{name} is no finite number", raw)
    )


def explain(what: str, value: Column) -> Column:
    """A reason that shows the value."""
    from pyspark.sql import functions as F

    shown = F.coalesce(F.substring(value.cast("string"), 1, 40), F.lit("null"))
    return F.concat(F.lit(f"{what}: "), shown)
