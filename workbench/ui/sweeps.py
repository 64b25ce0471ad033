"""A sweep's trials as a table, and figures from it: importance, maps, the best so far."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from workbench.ui import store
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts

Scale = Literal["number", "log", "category"]
_OWN = ("trial", "status", "value", "epochs", "seconds", "stopped", "mean", "deviation", "trials")
"""Columns of tables of trials and of settings."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What was searched, and the trials so far."""

    run: store.Run
    metric: str
    mode: Literal["max", "min"]
    axes: dict[str, Scale]
    """Swept setting to how it is drawn."""
    rows: int | None = None
    """Rows that the metric is measured on; None: not recorded, or not the same for all trials."""
    objectives: dict[str, str] | None = None
    """With several objectives: name to max or min, the metric first; the others are columns of `trials`."""
    each: tuple[str, ...] = ()
    """Settings that differ between the trials of one setting: its folds and its seeds."""
    trials: pd.DataFrame
    """A row per trial: run_id, name, trial, status, stopped, start, seconds, epochs, value, settings."""

    @property
    def labels(self) -> dict[str, str]:
        """A short name of each swept setting."""
        return short_names(list(self.axes), (*_OWN, self.metric, *(self.objectives or ())))

    @property
    def better(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.mode == "max" else -1

    def rank(self) -> pd.DataFrame:
        """Trials that have a value, the best first."""
        valued = self.trials.dropna(subset="value")
        return valued.sort_values("value", ascending=self.mode == "min")


def short_names(names: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """The last parts of each setting's path: as few as tell it from the others and from `taken`."""
    short = {}
    for name in names:
        parts = name.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        alone = (
            end
            for end in ends
            if end not in taken and sum(f".{n}".endswith(f".{end}") for n in names) == 1
        )
        short[name] = next(alone, name)
    return short


def read(run: store.Run) -> Sweep:
    """A sweep from the store."""
    children = store.children(run.id)
    search = _read_search(run)
    space, metric = search.get("space", {}), search.get("metric", "validation/accuracy")
    mode: Literal["max", "min"] = "min" if search.get("mode") == "min" else "max"
    others = dict(search.get("objectives", {}))
    curves = store.curves([child.id for child in children], metric)
    swept = list(space) or _varying(children)
    rows = [_row(child, swept, others, curves.get(child.id, []), mode) for child in children]
    columns = [
        *("run_id", "name", "trial", "status", "stopped", "start", "seconds", "epochs", "value"),
        *others,
        *swept,
    ]
    trials = pd.DataFrame(rows, columns=columns).sort_values("trial").reset_index(drop=True)
    axes: dict[str, Scale] = {}
    for name in swept:
        if trials[name].notna().any():
            axes[name] = _scale(trials[name], space.get(name))
    for name, scale in axes.items():
        if scale != "category":
            trials[name] = pd.to_numeric(trials[name], errors="coerce")
    each = [name for name in ("data.split.fold",) if name in space]
    each += ["training.seed"] if search.get("repeats", 1) > 1 else []
    return Sweep(
        run=run,
        metric=metric,
        mode=mode,
        axes=axes,
        trials=trials,
        rows=None if _splits_differ(swept) else _rows(run, metric),
        objectives={metric: mode, **others} if others else None,
        each=tuple(each),
    )


def front(sweep: Sweep) -> list[str]:
    """Run ids of the trials on the Pareto front; of settings with several trials, by their means."""
    from workbench.sweeps.objectives import pareto_front

    if not sweep.objectives:
        return []
    names = ["value", *list(sweep.objectives)[1:]]
    groups = [members for _, members in _grouped(sweep)]
    values = [
        [float(members[name].mean()) for name in names]
        if members[names].notna().all(axis=None)
        else None
        for members in groups
    ]
    marks = pareto_front(values, list(sweep.objectives.values()))
    return [
        str(run_id)
        for members, on in zip(groups, marks, strict=True)
        if on
        for run_id in members["run_id"]
    ]


def by_setting(sweep: Sweep) -> pd.DataFrame:
    """A row per setting with mean, deviation and number of its trials, the best mean first.

    Empty where each setting has one trial.
    """
    if not sweep.each:
        return pd.DataFrame()
    rows = []
    for settings, members in _grouped(sweep):
        values = members["value"].dropna()
        rows.append(
            {
                "mean": values.mean() if len(values) else math.nan,
                "deviation": values.std() if len(values) > 1 else math.nan,
                "trials": len(members),
                **settings,
            }
        )
    frame = pd.DataFrame(rows)
    return frame.sort_values("mean", ascending=sweep.mode == "min").reset_index(drop=True)


def _grouped(sweep: Sweep) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """The trials by their settings, without fold and seed."""
    names = [name for name in sweep.axes if name not in sweep.each]
    if not sweep.each or not names:
        alone = [sweep.trials.iloc[[i]] for i in range(len(sweep.trials))]
        return [(members[names].iloc[0].to_dict(), members) for members in alone]
    grouped = sweep.trials.groupby(names, dropna=False, sort=False)
    return [(members[names].iloc[0].to_dict(), members) for _, members in grouped]


def _splits_differ(swept: Sequence[str]) -> bool:
    """Whether trials may be measured on different rows, as the folds of a cross-validation are."""
    return any(name.startswith("data.") for name in swept)


def _rows(run: store.Run, metric: str) -> int | None:
    try:
        counts = artifacts.data(run.id).get("rows", {})
    except Missing:
        return None
    return counts.get(metric.partition("/")[0])


def mark_like_best(sweep: Sweep) -> tuple[set[str], str]:
    """Run ids of the trials that cannot be told from the best, and a sentence on them or ""."""
    from workbench.training.verdicts import accuracy_band, like_best  # a face would load more

    ranked = sweep.rank()
    values = [float(value) for value in ranked["value"]]
    if sweep.rows is None or not values:
        return set(), ""
    marks = like_best(values, metric=sweep.metric, rows=sweep.rows)
    alike = {run_id for run_id, mark in zip(ranked["run_id"], marks, strict=True) if mark}
    if not alike:
        return set(), ""
    low, high = accuracy_band(values[0], sweep.rows)
    return alike, (
        f"{len(alike)} of {len(values)} trials cannot be told from the best (marked ~): on "
        f"{sweep.rows:,} rows, chance moves {values[0]:.4g} between {low:.4g} and {high:.4g}."
    )


def baseline(sweep: Sweep) -> tuple[str, float] | None:
    """Name and height of the best answer without a net, in the sweep's metric; of the best trials that
    were evaluated."""
    from workbench.training.verdicts import best_baseline  # a face would load more

    unit = sweep.metric.partition("/")[2]
    for child in store.children(sweep.run.id):
        if found := best_baseline(child.metrics, unit):
            return f"baseline: {found[0]}", found[1]
    return None


def _read_search(run: store.Run) -> dict[str, Any]:
    try:
        return dict(artifacts.experiment(run.id).get("sweep", {}))
    except Missing:
        return {}


def _varying(children: Sequence[store.Run]) -> list[str]:
    keys = {k for child in children for k in child.params}
    return sorted(k for k in keys if len({child.params.get(k) for child in children}) > 1)


def _row(
    child: store.Run,
    swept: Sequence[str],
    others: Mapping[str, str],
    curve: list[tuple[float, float]],
    mode: str,
) -> dict[str, Any]:
    best = max if mode == "max" else min
    chosen = json.loads(child.tags.get("workbench.settings", "null"))
    return {
        "run_id": child.id,
        "name": child.name,
        "trial": int(child.tags.get("workbench.trial", "0")),
        "status": child.status,
        "stopped": child.tags.get("workbench.stopped", child.tags.get("workbench.error", "")),
        "start": child.start,
        "seconds": child.seconds,
        "epochs": curve[-1][0] if curve else math.nan,
        "value": best((v for _, v in curve), default=math.nan),
        **{name: child.metrics.get(f"objective/{name}", math.nan) for name in others},
    } | {name: _setting(child, chosen, name) for name in swept}


def _setting(child: store.Run, chosen: Mapping[str, Any] | None, name: str) -> str | None:
    """A trial's value of a searched setting as text; None where it is not searched in this trial.

    A setting inside of a list, or a whole net, is in no parameter of the run.
    """
    if chosen is not None and name not in chosen:
        return None
    found = child.params.get(name)
    if found is not None or chosen is None:
        return found
    value = chosen[name]
    return value if isinstance(value, str) else json.dumps(value)


def _scale(values: pd.Series, asked: Mapping[str, Any] | None) -> Scale:
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any() or values.dropna().empty:
        return "category"
    if asked and asked.get("kind") == "uniform":
        return "log" if asked.get("log") else "number"
    low, high = float(numbers.min()), float(numbers.max())
    return "log" if low > 0 and (high / low >= 20 or _is_geometric(numbers)) else "number"


def _is_geometric(numbers: pd.Series) -> bool:
    """Whether each value is the same multiple of the one before: 32, 64, 128, 256."""
    values = sorted(numbers.dropna().unique())
    ratios = [b / a for a, b in itertools.pairwise(values)]
    return len(ratios) >= 2 and max(ratios) <= 1.01 * min(ratios)


def importance(sweep: Sweep) -> dict[str, float]:
    """Share of each setting in what made trials good, by PED-ANOVA (Watanabe et al. 2023).

    Empty with fewer than 8 finished trials: too few to say.
    """
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution
    from optuna.importance import PedAnovaImportanceEvaluator

    valued = sweep.trials.dropna(subset="value")
    # What is searched in some trials only cannot be compared over all of them; a seed is chance.
    common = [n for n in sweep.axes if valued[n].notna().all() and n not in sweep.each]
    frame = valued.dropna(subset=common)
    varying = [name for name in common if frame[name].nunique() > 1]
    if len(frame) < 8 or not varying:
        return {}
    distributions: dict[str, Any] = {}
    for name in varying:
        if sweep.axes[name] == "category":
            distributions[name] = CategoricalDistribution(sorted(frame[name].astype(str).unique()))
        else:
            low, high = float(frame[name].min()), float(frame[name].max())
            distributions[name] = FloatDistribution(low, high, log=sweep.axes[name] == "log")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize" if sweep.mode == "max" else "minimize")
    for _, row in frame.iterrows():
        params = {n: str(row[n]) if sweep.axes[n] == "category" else float(row[n]) for n in varying}
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=distributions, value=float(row["value"])
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the evaluator calls itself experimental at each use
        shares = optuna.importance.get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator()
        )
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def best_so_far(sweep: Sweep) -> list[tuple[float, float]]:
    """(seconds since the start, best value) at the end of each trial."""
    ended = sweep.trials.dropna(subset=["value", "start"]).copy()
    if ended.empty:
        return []
    ended["end"] = ended["start"] + ended["seconds"].fillna(0)
    ended = ended.sort_values("end")
    best = ended["value"].cummax() if sweep.mode == "max" else ended["value"].cummin()
    zero = float(ended["start"].min())
    return [(round(float(e) - zero, 2), float(v)) for e, v in zip(ended["end"], best, strict=True)]


def cells(values: pd.Series, scale: Scale, most: int = 7) -> tuple[pd.Series, list[str]]:
    """Values sorted into at most `most` cells of an axis: (cell index of each, label of each)."""
    if scale == "category" or values.nunique() <= most:
        order = sorted(values.dropna().unique())
        index = values.map({v: i for i, v in enumerate(order)})
        return index, [str(v) if scale == "category" else f"{v:.4g}" for v in order]
    numbers = np.log(values.astype(float)) if scale == "log" else values.astype(float)
    edges = np.linspace(numbers.min(), numbers.max(), most + 1)
    index = pd.Series(np.clip(np.digitize(numbers, edges) - 1, 0, most - 1), index=values.index)
    ends = np.exp(edges) if scale == "log" else edges
    return index, [f"{a:.2g}–{b:.2g}" for a, b in itertools.pairwise(ends)]


def grid(
    frame: pd.DataFrame, x: str, y: str, sweep: Sweep
) -> tuple[np.ndarray, list[str], list[str]]:
    """Best value per cell of x by y, over the trials in `frame`; cells as for the whole sweep."""
    whole = sweep.trials.dropna(subset=["value", x, y])
    (xs, x_names), (ys, y_names) = (cells(whole[n], sweep.axes[n]) for n in (x, y))
    table = np.full((len(y_names), len(x_names)), np.nan)
    for row in frame.index.intersection(whole.index):
        r, c, value = int(ys[row]), int(xs[row]), float(whole.loc[row, "value"])
        if np.isnan(table[r, c]) or sweep.better * value > sweep.better * table[r, c]:
            table[r, c] = value
    return table, x_names, y_names


def settings_text(row: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """`learning_rate 0.01, activation relu`.

    Args:
        labels: a short name of each setting to say.
    """
    shown = (
        f"{label} {f'{row[name]:.3g}' if isinstance(row[name], float) else row[name]}"
        for name, label in labels.items()
        if not pd.isna(row[name])
    )
    return ", ".join(shown)
