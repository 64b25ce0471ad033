"""No parameter of an estimator is ignored in silence: each one acts, or is refused. No Spark."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nets.errors import ConfigError
from workbench.ml import Autoencoder, CNNClassifier, CNNRegressor, RNNClassifier, RNNRegressor
from workbench.ml.idle_params import check_columns_params
from workbench.training.checks import check_before_start
from workbench.training.idle import check_idle_for_rows

ESTIMATORS = (CNNClassifier, CNNRegressor, RNNClassifier, RNNRegressor, Autoencoder)
OTHERS: dict[str, Any] = {
    "layers": [8],
    "denseLayers": [9],
    "activation": "elu",
    "optimizer": "sgd",
    "preparation": "scale",
    "summary": "max",
    "cell": "lstm",
    "settings": {"training.epochs": 3},
    "dropout": 0.4,
    "validationFraction": 0.3,
    "tokenizer": "characters",
    "maxIter": 3,
    "batchSize": 7,
    "learningRate": 0.01,
    "embedding": 9,
    "bidirectional": False,
}
FOLDER = Path(__file__).parents[3] / "workbench/ml"


def other_value(estimator: Any, name: str) -> Any:
    if name in OTHERS:
        return [8, 4] if name == "layers" and isinstance(estimator, Autoencoder) else OTHERS[name]
    value = estimator.getOrDefault(name) if estimator.isDefined(name) else "other"
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value / 2 if isinstance(value, float) else "new"


def plan(estimator: Any) -> Any:
    made = estimator._experiment(2, None)
    check_before_start(made, reads_source=False)
    check_idle_for_rows(made, "tokens" if hasattr(estimator, "tokenizer") else "vector")
    return made


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_every_parameter_acts_or_is_refused(kind: Any) -> None:
    readers = "".join((FOLDER / f"{name}.py").read_text() for name in ("canonical", "models"))
    before, silent = plan(kind()), []
    params = [param.name for param in kind().params]
    for name in params:
        estimator = kind()
        if name == "shape":
            estimator.setParams(shape=[2])
        else:
            estimator.setParams(**{name: other_value(estimator, name)})
        try:
            acts = plan(estimator) != before
        except ConfigError as error:
            acts = name in str(error) or "would change nothing" in str(error)
        getter = f"get{name[0].upper()}{name[1:]}"
        if not acts and f'"{name}"' not in readers and getter not in readers:
            silent.append(name)
    print(f"{kind.__name__}: {len(params)} parameters")
    assert silent == []
    assert len(params) >= 22


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (
            CNNClassifier(maxIter=5, settings={"training.epochs": 3}),
            "maxIter 5 would change nothing: settings .* overrule it",
        ),
        (
            RNNClassifier(cell="lstm", settings={"net.cell": "rnn"}),
            "cell 'lstm' would change nothing",
        ),
        (
            CNNClassifier(validationFraction=0.3, validationIndicatorCol="held"),
            "validationFraction 0.3 would change nothing: validationIndicatorCol",
        ),
        (Autoencoder(denseLayers=[8]), r"denseLayers \[8\] would change nothing"),
        (RNNClassifier(activation="elu"), "net.activation 'elu' would change nothing"),
    ],
)
def test_a_parameter_that_would_change_nothing_is_refused(estimator: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(estimator)


def test_a_parameter_at_its_default_beside_another_is_taken() -> None:
    plan(CNNClassifier(validationFraction=0.1, validationIndicatorCol="held"))
    plan(RNNClassifier(seed=3, settings={"training.seed": 4}))  # it is the seed of the split too


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        ("vector", {"tokenizer": "characters"}, "tokenizer 'characters' .* is for text"),
        ("binary", {"maxLength": 8}, "maxLength 8 would change nothing"),
        ("array<string>", {"lowercase": False}, "lowercase False .* has tokens already"),
        ("string", {"tokenizer": "t.json", "lowercase": False}, "lowercase False .* file decides"),
        ("string", {"lengthCol": "n"}, "lengthCol 'n' would change nothing"),
        ("array<string>", {"shape": [3]}, r"shape \[3\] would change nothing"),
    ],
)
def test_parameters_of_text_are_refused_for_other_columns(
    kind: str, params: dict[str, Any], message: str
) -> None:
    kinds = SimpleNamespace(dataType=SimpleNamespace(simpleString=lambda: kind))
    frame: Any = SimpleNamespace(columns=["features"], schema={"features": kinds})
    check_columns_params(CNNClassifier(), frame)
    with pytest.raises(ConfigError, match=message):
        check_columns_params(CNNClassifier(**params), frame)
