"""What a sweep searches: a range or a list of values for each dotted path of an experiment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from nets.config import config
from nets.errors import ConfigError


def _as_tuple(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Conditions = dict[str, Annotated[tuple[Any, ...], BeforeValidator(_as_tuple)]]


@config
class Choice:
    """One of a list of values."""

    kind: Literal["choice"] = "choice"
    values: tuple[Any, ...] = Field(min_length=1)
    """The candidates."""
    only_if: Conditions = Field(default_factory=dict)
    """Searched only in trials where each of these searched settings has the value, or one of the values."""


@config
class Uniform:
    """A number between two bounds, uniform, or uniform in its logarithm."""

    kind: Literal["uniform"] = "uniform"
    low: float
    """Lower bound, included."""
    high: float
    """Upper bound."""
    log: bool = False
    """Draw the logarithm uniformly: for settings whose scale matters, such as a learning rate."""
    only_if: Conditions = Field(default_factory=dict)
    """Searched only in trials where each of these searched settings has the value, or one of the values."""

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            rule = "0 < low < high" if self.log else "low < high"
            raise ConfigError(f"a range needs {rule}, got low={self.low}, high={self.high}.")


Parameter = Annotated[Choice | Uniform, Field(discriminator="kind")]


@config
class SweepConfig:
    """A search over an experiment's settings."""

    space: dict[str, Parameter] = Field(default_factory=dict)
    """Dotted path (`training.learning_rate`, `net.blocks[0].channels`) to a list of values or a range."""
    search: Literal["grid", "random", "qmc", "bayes", "tpe", "gp", "cmaes"] = "bayes"
    """grid: every combination; random: independent draws; qmc: draws that cover the space evenly (Sobol); bayes, tpe: Optuna's tree-structured Parzen estimator; gp: its Gaussian process; cmaes: its evolution strategy, of ranges. None tries a setting twice."""
    scheduler: Literal["none", "asha", "hyperband", "median"] = "asha"
    """asha: asynchronous successive halving (Li et al. 2020); hyperband: the same with several first rungs; median: stop below the running median (Golovin et al. 2017)."""
    num_trials: int = Field(default=16, ge=1)
    """How many settings to try; a grid tries all of its combinations."""
    repeats: int = Field(default=1, ge=1, le=1000)
    """Train each setting so often, with the seeds training.seed, training.seed + 1, ...; settings are ranked by the mean."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Start no trial and stop those that run after so many minutes of trials; None: no bound. `--resume` goes on."""
    max_concurrent: int | None = Field(default=None, ge=1)
    """At most this many trials at once; None: as many as the resources hold."""
    metric: str = "validation/accuracy"
    """The metric that trials are compared by, each at its best epoch."""
    mode: Literal["max", "min"] = "max"
    """Whether a higher or a lower value of the metric is better."""
    objectives: dict[str, Literal["max", "min"]] = Field(default_factory=dict)
    """Further objectives: `parameters`, or metrics of the metric's best epoch. What is best in no one alone is shown as the Pareto front."""
    grace_epochs: int = Field(default=3, ge=1)
    """Epochs every trial gets before a scheduler may stop it."""
    reduction_factor: int = Field(default=3, ge=2)
    """asha, hyperband: the best 1/reduction_factor of the trials at a rung go on."""
    seed: int = 0
    """Seed of the search."""
    keep: int = Field(default=3, ge=1)
    """How many of the best trials have their models evaluated on the test split and kept."""

    def decides_at(self, epoch: int, epochs: int) -> bool:
        """Whether the scheduler may stop a trial of `epochs` epochs after this epoch."""
        if self.scheduler not in ("asha", "hyperband"):
            return self.scheduler == "median"
        rung = min(self.grace_epochs, epochs)
        while rung < epoch:
            rung *= self.reduction_factor
        return rung == epoch
