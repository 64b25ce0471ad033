"""What a client asks of the bench: an experiment by name and changes, or as the tree it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Request:
    """One training or sweep. Data only: no code travels."""

    kind: Literal["train", "sweep"]
    experiment: str
    """A name that ships; of a person's own file what to call it."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Setting by path, as `--set` gives it."""
    tree: dict[str, Any] | None = None
    """The whole experiment, evaluated by the client; None: `experiment` names one that ships."""
    resume: str | None = None
    """Run of the sweep to go on with."""
    command: tuple[str, ...] = ()
    """The command that does the same."""
    cwd: str = ""
    """Where relative paths begin."""
    tracking_uri: str | None = None
    """MLFLOW_TRACKING_URI of the client."""

    def __post_init__(self) -> None:
        if self.kind not in ("train", "sweep"):
            raise WorkbenchError(f"A job is to train or to sweep, got {self.kind!r}.")

    @property
    def title(self) -> str:
        """The job in a list."""
        changed = f", {len(self.changes)} changed" if self.changes else ""
        return f"{self.kind} {self.experiment}{changed}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Request:
        """The inverse; keys it does not know are passed over."""
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        return cls(**known | {"command": tuple(known.get("command", ()))})

    def load(self) -> Experiment:
        """The experiment, checked.

        Raises:
            ConfigError: there is none, or a setting breaks a rule.
        """
        from nets.config import from_dict, override
        from workbench.experiments import load_experiment
        from workbench.experiments.experiment import Experiment

        if self.tree is not None:
            return override(from_dict(Experiment, self.tree), self.changes)
        if ".py" in self.experiment:
            # A file is a person's code, which runs in the person's own process only.
            raise WorkbenchError(
                f"The bench runs experiments that ship, or whole ones, got {self.experiment!r}."
            )
        return override(load_experiment(self.experiment), self.changes)
