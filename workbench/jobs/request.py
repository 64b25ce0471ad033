"""A client's request to the bench: an experiment by name with changes, or all of its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment

Kind = Literal["train", "sweep", "describe"]

DESCRIBED = ("data.", "preparation.", "cluster.")
"""How the settings begin that a description takes."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One training or sweep, or data to describe. Data only, except the files of a person's own parts."""

    kind: Kind
    experiment: str
    """A shipped experiment, or to describe it, data by path or JSON; with `tree`, only its name in lists."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings by path, as `--set` has them."""
    tree: dict[str, Any] | None = None
    """The whole experiment, evaluated by the client; None: the shipped one."""
    code: tuple[dict[str, Any], ...] = ()
    """Own parts of the tree with their files, as `nets.custom.send_parts` gives them. The bench listens to
    its own person alone, who could run any code there."""
    resume: str | None = None
    """Run id of the sweep to resume."""
    samples: str | None = None
    """Of data that is described: the file for its contact sheet."""
    command: tuple[str, ...] = ()
    """A command that does the same."""
    cwd: str = ""
    """The folder that relative paths start from."""
    tracking_uri: str | None = None
    """MLFLOW_TRACKING_URI of the client."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise WorkbenchError(f"kind must be {', '.join(get_args(Kind))}, got {self.kind!r}.")

    @classmethod
    def of(cls, kind: Kind, experiment: Experiment, /, **more: Any) -> Request:
        """The request for a whole experiment, with the code of the person's own parts in it.

        Args:
            more: other fields; `experiment` is its name in lists, if that is not the experiment's own.
        """
        from nets.config import to_dict
        from nets.custom import send_parts

        fields = {"experiment": experiment.name} | more
        return cls(
            kind=kind, tree=to_dict(experiment), code=tuple(send_parts(experiment)), **fields
        )

    @property
    def title(self) -> str:
        """The job's name in lists."""
        changed = f", {len(self.changes)} changed" if self.changes else ""
        return f"{self.kind} {self.experiment}{changed}"

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Request:
        """The inverse of `as_dict`; unknown keys are ignored."""
        fields = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        lists = {name: tuple(fields.get(name, ())) for name in ("command", "code")}
        return cls(**fields | lists)

    def load(self) -> Experiment:
        """Load the experiment with its changes.

        Raises:
            ConfigError: no such experiment, or a setting breaks a rule; a change of a setting that
                the sweep searches.
        """
        experiment = self._load()
        if self.kind == "sweep" and self.resume is None:
            from workbench.training.idle import check_changes_of_sweep

            check_changes_of_sweep(experiment, self.changes)
        return experiment

    def _load(self) -> Experiment:
        from nets.config import from_dict
        from workbench.experiments import load_experiment
        from workbench.experiments.changes import override
        from workbench.experiments.experiment import Experiment

        if self.code:
            from nets.custom import receive_parts

            receive_parts(self.code)
        if self.tree is not None:
            return override(from_dict(Experiment, self.tree), self.changes)
        if ".py" in self.experiment:
            # A person's code runs in the person's own process only.
            raise WorkbenchError(
                f"A request names a shipped experiment or has a tree, got {self.experiment!r}."
            )
        if self.kind == "describe":
            from workbench.preflight.named import resolve

            return resolve(self.experiment, self.changes)
        return override(load_experiment(self.experiment), self.changes)
