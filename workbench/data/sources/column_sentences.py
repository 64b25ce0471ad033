"""What is said of a column of text: how its numbers are written, and what stands for no value."""

from __future__ import annotations

import json
from collections.abc import Collection

from workbench.data.profile import Column

_GROUPS = {",": "commas", ".": "points", "'": "apostrophes", "\u2019": "apostrophes"}


def describe_numbers(name: str, profile: Column) -> list[str]:
    """What is said of a column of text that is taken as numbers: signs, units, thousands, codes."""
    said = []
    if profile.signs:
        said.append(
            f"Signs: {sum(profile.signs.values())} of {profile.present} numbers of {name} have a sign "
            f"({', '.join(profile.signs)}), which is taken off."
        )
    if profile.unit:
        said.append(
            f"Units: the numbers of {name} have the unit {profile.unit}, which is taken off."
        )
    if profile.grouped:
        signs = " and ".join(dict.fromkeys(_GROUPS.get(sign, "spaces") for sign in profile.grouped))
        said.append(f"Thousands: numbers of {name} have {signs} between thousands.")
    if profile.negatives:
        said.append(
            f"Negative: {profile.negatives} of {profile.present} numbers of {name} stand in brackets or "
            "before a minus, as (1.5) or 1.5-, and are read as -1.5."
        )
    if profile.limits:
        said.append(
            f"Limits: {profile.limits} of {profile.present} numbers of {name} are beyond a limit, as "
            f"{profile.limit}, and are read as the limit itself. data.source.csv.missing lists what stands "
            "for no value."
        )
    if profile.codes:
        said.append(
            f"Maybe codes: {profile.codes} values of {name} begin with 0, as 007 does. They are taken as "
            "numbers."
        )
    return said


def describe_markers(profile: Column, missing: Collection[str]) -> str:
    """The words that stood for no value, with the setting by which they are values; or nothing."""
    if not profile.markers:
        return ""
    counts = ", ".join(f"{word} ({count})" for word, count in profile.markers.items())
    rest = json.dumps([word for word in missing if word not in profile.markers], ensure_ascii=False)
    return f" Read as no value: {counts}. Where that is a value: --set 'data.source.csv.missing={rest}'."


def describe_other_decimals(profile: Column, decimal: str) -> str:
    """Why numbers with the other decimal sign are not used."""
    names = {".": "point", ",": "comma"}
    other = names["." if decimal == "," else ","]
    return (
        f"{profile.other_decimals} of its {profile.present} numbers have a decimal {other}, such as "
        f"{profile.odd!r}, and the table a decimal {names[decimal]}: write them in one way"
    )
