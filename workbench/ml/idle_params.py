"""Parameters of an estimator that a person set and that would change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nets.errors import ConfigError
from workbench.ml.params import TextParams, TrainingParams

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_OF_TEXT = ("tokenizer", "lowercase", "maxLength", "vocabularySize")


def check_params(params: TrainingParams) -> None:
    """Refuse parameters that change nothing, whatever the data is.

    Raises:
        ConfigError: there is one.
    """
    if params.isDefined("validationIndicatorCol"):
        rule = "validationIndicatorCol names the rows that are held out"
        _refuse(params, ("validationFraction",), rule)
    if not isinstance(params, TextParams):
        rule = "an autoencoder has no dense layers beside its layers. Name all widths in layers"
        _refuse(params, ("denseLayers",), rule)


def check_columns_params(params: TrainingParams, df: DataFrame) -> None:
    """Refuse parameters that change nothing for the type of the features column.

    Raises:
        ConfigError: there is one.
    """
    column = params.getFeaturesCol()
    if not isinstance(params, TextParams) or column not in df.columns:
        return
    kind = df.schema[column].dataType.simpleString()
    tokens = kind == "array<string>"
    if not tokens and not (kind == "string" and not params.isDefined("shape")):
        _refuse(params, _OF_TEXT, f"it is for text, and the column {column!r} is {kind}")
        return
    if tokens:
        rule = f"the column {column!r} has tokens already"
        _refuse(params, ("tokenizer", "lowercase"), rule)
    elif params.getOrDefault("tokenizer") not in ("words", "characters"):
        _refuse(params, ("lowercase",), "a tokenizer file decides by itself about lower case")
    rule = f"the column {column!r} is text, which has maxLength tokens, and lengths of its own"
    _refuse(params, ("shape", "lengthCol"), rule)


def _refuse(params: TrainingParams, names: tuple[str, ...], rule: str) -> None:
    for name in names:
        if params.isSet(name) and not _has_default_value(params, name):
            raise ConfigError(
                f"{type(params).__name__}: {name} {params.getOrDefault(name)!r} would change "
                f"nothing: {rule}. Leave {name} out."
            )


def _has_default_value(params: TrainingParams, name: str) -> bool:
    """Set to what it is anyway, a parameter says nothing wrong."""
    plain = params.copy()
    plain.clear(params.getParam(name))
    return plain.isDefined(name) and plain.getOrDefault(name) == params.getOrDefault(name)
