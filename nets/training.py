"""The settings of the training loop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from nets.augment import AugmentConfig
from nets.batches import Resample
from nets.best import Mode, check_mode
from nets.config import config
from nets.custom import Custom
from nets.custom_field import CHECKED, DUMPED, ONLY_CUSTOM, name_of
from nets.errors import ConfigError
from nets.named_parts import OPTIMIZER_BY_NAME, SCHEDULE_BY_NAME
from nets.task import Task

Optimizer = Literal["sgd", "adam", "adamw", "adagrad", "rmsprop"]
Schedule = Literal["constant", "cosine", "one_cycle"]
_Shipped = Literal["cross_entropy", "focal", "mse"]
if TYPE_CHECKING:
    AnyOptimizer = Optimizer | Custom
    AnySchedule = Schedule | Custom
    Loss = _Shipped | Custom
    Metrics = tuple[Custom, ...]
else:
    AnyOptimizer = Annotated[Optimizer, OPTIMIZER_BY_NAME, DUMPED]
    AnySchedule = Annotated[Schedule, SCHEDULE_BY_NAME, DUMPED]
    Loss = Annotated[_Shipped, CHECKED, DUMPED]
    Metrics = tuple[Annotated[Any, ONLY_CUSTOM, DUMPED], ...]


@config
class TrainingConfig:
    """One training run: how long, by which rule, from which loss."""

    epochs: int = Field(default=20, ge=1)
    """Passes over the training rows; with `epoch_rows`, stretches of so many rows."""
    epoch_rows: int | None = Field(default=None, ge=1)
    """Rows between two evaluations, rounded up to whole steps: an epoch is so long, and the best one is kept. For data whose pass takes hours. None: all training rows."""
    max_rows: int | None = Field(default=None, ge=1)
    """End after so many rows, rounded up to whole steps, where that is before the last epoch; schedules end there too. None: no such end."""
    max_minutes: float | None = Field(default=None, gt=0)
    """End after so many minutes of training, without evaluations, where that is before the last epoch; within an epoch too, which is then evaluated. None: no such end."""
    overfit_batches: int | None = Field(default=None, ge=1)
    """A check that the net can learn: every epoch trains on the same first batches, so many, whose loss has to fall to nearly 0. The run is marked. None: on all."""
    limit_batches: int | None = Field(default=None, ge=1)
    """A quick run through everything: at most so many batches of training rows an epoch, and of the rows of each evaluation. The run is marked. None: all."""
    batch_size: int = Field(default=64, ge=1)
    """Rows of a step, over all workers together: each takes its share."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of the optimizer; the highest one where a schedule varies it."""
    optimizer: AnyOptimizer = "adamw"
    """sgd: with momentum; adam; adamw: Adam with decoupled weight decay; adagrad; rmsprop. Or a class of torch.optim by its name (`NAdam`), whose arguments are settings of its own; or `Custom(MyOptimizer)`."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """sgd, rmsprop: momentum; adam, adamw: decay of the gradient's mean (beta 1); adagrad has none."""
    nesterov: bool = True
    """sgd: look ahead along the momentum (Sutskever et al. 2013)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Shrinks the weights at each step; biases and normalisation parameters are left alone."""
    schedule: AnySchedule = "constant"
    """Learning rate over the run, per step. cosine: falls to 0; one_cycle: rises, then falls (Smith 2018). Or a class of torch.optim.lr_scheduler by its name, `{"name": "StepLR", "step_size": 10}`; or `Custom(f)` with f(position, length), a factor of the rate."""
    schedule_every: Literal["epoch", "step"] = "epoch"
    """What a schedule of torch or of your own counts: its rate changes after each epoch, or after each step."""
    warmup: float | None = Field(default=None, ge=0, lt=1)
    """Share of the run's steps on which the learning rate rises first; None: 0.3 for one_cycle, else 0."""
    start_from: str | None = None
    """Start from the weights of a run, of a folder that `export` wrote, or of a safetensors file: those whose name and shape fit are taken, and the rest is listed. None: from random weights."""
    freeze: dict[str, Annotated[int, Field(ge=1)] | None] = Field(default_factory=dict)
    """Layers that do not learn at first, by name or pattern, and for how many epochs: `{"body.blocks": 3}`; null: never."""
    layer_rates: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Factors of the learning rate of layers, by name or pattern: `{"body.blocks": 0.1}`."""
    loss: Loss = "cross_entropy"
    """cross_entropy or focal for classes; mse for measured values and for autoencoders; or a function of your own, `Custom(my_loss)`, that gives the loss of each row."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """cross_entropy: share of the target spread evenly over all classes."""
    focal_gamma: float = Field(default=2.0, ge=0)
    """focal: how strongly samples that are already right are discounted (Lin et al. 2017)."""
    class_weights: Literal["none", "square_root", "balanced"] = "none"
    """balanced: a class counts in inverse proportion to its rows, rows / (classes * rows of the class); square_root: by the square root of that, gentler where classes differ a hundredfold."""
    resample: Resample = "none"
    """Classes alike in every epoch. over: rows of the smaller classes are repeated until each has as many as the largest; under: of each class as many as the smallest has, others every epoch."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are averaged before the weights change once: batch_size 32 with accumulate 4 learns as batch_size 128, in less memory."""
    average: float | None = Field(default=None, gt=0, lt=1)
    """Evaluate and keep a moving average of the weights: the share of it that a step keeps, such as 0.999. None: the weights of the last step."""
    swa_start: float | None = Field(default=None, gt=0, lt=1)
    """From this share of the steps on, evaluate and keep the plain mean of the weights after each epoch, with batch norms measured anew (stochastic weight averaging, Izmailov et al. 2018): 0.75 is usual, with a learning rate that stays high. None: no such mean."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Scale the gradient down to this Euclidean norm where it is longer; None: never."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Arithmetic of the forward pass. auto: bfloat16 on a GPU that has it, float32 elsewhere; float16: for GPUs without bfloat16, with a scaled loss (Micikevicius et al. 2018)."""
    channels_last: bool = True
    """Keep images in memory pixel by pixel: faster convolutions and pooling, same results."""
    compile: bool = False
    """Compile the net with torch.compile: a slow first step, faster ones after it."""
    seed: int = Field(default=0, ge=0)
    """Seed of the weights, the order of the rows, the augmentation and dropout."""
    callbacks: Metrics = ()
    """Callbacks of your own, `(Custom(MyCallback),)`: classes with methods for some of on_train_start, on_epoch_start, on_step_end, on_epoch_end and on_train_end. At each moment they run in this order."""
    metrics: Metrics = ()
    """Metrics of your own, `(Custom(top_k, k=3),)`: functions of the outputs and targets of all rows, or classes of torchmetrics, recorded as `validation/top_k` and `test/top_k`."""
    monitor: str = "validation/accuracy"
    """The metric that decides which epoch is the best."""
    mode: Mode = "max"
    """Whether more or less of `monitor` is better."""
    patience: int = Field(default=0, ge=0)
    """Stop after this many epochs without a better `monitor`; 0: never stop early."""
    health: bool = True
    """Record gradient norm, weight norm and size of the update for every layer, once an epoch."""
    loss_points: int | None = Field(default=None, ge=0)
    """Points an epoch of the training loss by step: each is the mean over an equal part of the epoch. None: up to 200, and 4,000 in a whole run; in the trials of a sweep none. 0: none."""
    profile: bool = False
    """Record what the time of each epoch is spent on, as shares `profile/data` (waiting for rows), `copy`, `forward`, `backward`, `step`, `evaluation` and `other` of the first worker, and give a sentence of advice at the end."""
    augment: AugmentConfig = AugmentConfig()
    """Random variations of the training rows."""

    @property
    def loss_name(self) -> str:
        """The loss as a text; of a person's own where it is, as `own.py:focal`."""
        return self.loss.source if isinstance(self.loss, Custom) else self.loss

    @property
    def optimizer_name(self) -> str:
        """The optimizer as a text, as `adamw` or `NAdam`."""
        own = isinstance(self.optimizer, Custom)
        return name_of(self.optimizer) if own else self.optimizer  # type: ignore[arg-type, return-value]

    @property
    def schedule_name(self) -> str:
        """The schedule as a text, as `cosine` or `StepLR`."""
        own = isinstance(self.schedule, Custom)
        return name_of(self.schedule) if own else self.schedule  # type: ignore[arg-type, return-value]

    def __post_init__(self) -> None:
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ConfigError(
                f"label_smoothing belongs to loss cross_entropy, got {self.label_smoothing} with "
                f"loss {self.loss_name!r}. Set label_smoothing to 0 or loss to cross_entropy."
            )
        has_classes = Task.CLASSES.takes(self.loss)  # of an own loss the data decides
        if self.class_weights != "none" and not has_classes:
            raise ConfigError(
                f"class_weights need classes, got {self.class_weights!r} with loss {self.loss_name!r}. "
                "Set class_weights to none."
            )
        if self.resample != "none" and (not has_classes or self.class_weights != "none"):
            raise ConfigError(
                "resample makes classes alike, as class_weights do: it needs classes, and no weights "
                f"beside it, got resample {self.resample!r} with loss {self.loss_name!r} and class_weights "
                f"{self.class_weights!r}. Set one of them to none."
            )
        if self.overfit_batches is not None and self.patience:
            raise ConfigError(
                f"training.overfit_batches {self.overfit_batches} learns a few rows by heart, and patience "
                f"{self.patience} ends that when validation rows do not gain. Set patience to 0."
            )
        self._check_averages()
        self._check_names_of_metrics()
        # A class of torch counts by itself. A function gets the length.
        own = isinstance(self.schedule, Custom) and self.schedule.is_class
        if self.max_minutes is not None and self.schedule != "constant" and not own:
            raise ConfigError(
                f"schedule {self.schedule_name!r} needs the number of steps, which max_minutes "
                f"{self.max_minutes:g} does not give. Set max_rows in its place, or schedule to constant."
            )
        check_mode(self.monitor, self.mode)

    def _check_averages(self) -> None:
        if self.swa_start is None:
            return
        if self.average is not None:
            raise ConfigError(
                f"training.average {self.average} and training.swa_start {self.swa_start} are two means of "
                "the weights, and one is kept. Leave one of them out."
            )
        if self.max_minutes is not None:
            raise ConfigError(
                f"training.swa_start {self.swa_start} is a share of the steps, whose number max_minutes "
                f"{self.max_minutes:g} does not give. Set max_rows in its place."
            )
        averaged = self.epochs - max(1, math.ceil(self.swa_start * self.epochs)) + 1
        if averaged < 2:
            raise ConfigError(
                f"training.swa_start {self.swa_start} leaves one of {self.epochs} epochs, whose mean is "
                "itself. Lower it, or raise training.epochs."
            )

    def _check_names_of_metrics(self) -> None:
        shipped = {"loss", *(name for task in Task for name in task.metrics)}
        names = [name_of(each) for each in self.metrics]
        for name in names:
            if name in shipped or names.count(name) > 1:
                other = (
                    "another one of training.metrics" if name not in shipped else "one that ships"
                )
                raise ConfigError(
                    f"metric {name!r} has the name of {other}, under which it is recorded. Give the "
                    "function a name of its own."
                )
