"""Nets on disk: weights as safetensors, everything else as JSON.

Loading runs no code from a file, except that of a person's own net where it is allowed.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nets.code import FOLDER
from nets.config import from_dict, to_dict
from nets.custom import Custom, trust
from nets.errors import ConfigError, ModelFileError
from nets.net import Net, build, read_config
from nets.prepare import Prepare
from nets.restore import Restore
from nets.spec import TensorSpec
from nets.spectrogram import SpectrogramConfig
from nets.text import TextEncoding

WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
_FORMAT = 1


def save(
    net: Net,
    directory: Path | str,
    *,
    labels: Sequence[str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write `model.safetensors` and `model.json`; both appear whole or not at all.

    Args:
        labels: class names by index.
        extra: more for the JSON, such as the experiment.

    The encoding of raw text, `net.text`, is written too, and the files of a net of a person's own,
    below `code/`, with their SHA-256 in `model.json`.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    description = {
        "format": _FORMAT,
        "net": to_dict(net.config),
        "spec": to_dict(net.spec),
        "preparation": net.prepare.method,
        **_describe_spectrogram(net),
        "num_outputs": net.num_outputs,
        "reconstructs": net.config.reconstructs,
        "has_code": net.has_code,
        "lengths": net.lengths,
        "labels": list(labels) if labels is not None else None,
        "text": None if net.text is None else to_dict(net.text),
        **({"code": net.config.sha256} if isinstance(net.config, Custom) else {}),
        **(extra or {}),
    }
    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    with tempfile.TemporaryDirectory(dir=directory, prefix=".saving-") as folder:
        save_file(state, Path(folder) / WEIGHTS)
        (Path(folder) / DESCRIPTION).write_text(json.dumps(description, indent=1))
        for name in (*_write_code(net, Path(folder)), WEIGHTS, DESCRIPTION):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(folder) / name, directory / name)


def _write_code(net: Net, folder: Path) -> list[str]:
    """Write the files of a person's own net; their names below the folder."""
    code = net.config.own_code if isinstance(net.config, Custom) else None
    names = []
    for path, content in ({} if code is None else code.files).items():
        file = folder / FOLDER / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        names.append(f"{FOLDER}/{path}")
    return names


def _describe_spectrogram(net: Net) -> dict[str, Any]:
    log_mel = net.prepare.log_mel
    return {} if log_mel is None else {"spectrogram": to_dict(log_mel.config)}


def load(
    directory: Path | str, device: torch.device | str = "cpu", *, trust_code: bool = False
) -> Net:
    """The net that `save` wrote, in eval mode.

    Args:
        trust_code: run the code that lies beside a net of a person's own. Without it, such a net is
            loaded only where this process has the same code already.

    Raises:
        UntrustedCodeError: the net is a person's own and its code is not allowed here.
        ModelFileError: a file is missing, cut short, or was not written by `save`.
    """
    directory = Path(directory)
    missing = [name for name in (DESCRIPTION, WEIGHTS) if not (directory / name).is_file()]
    if missing:
        raise ModelFileError(
            f"{directory} holds no saved net: {' and '.join(missing)} is missing. Name the folder "
            "that `workbench export` or `nets.save` wrote."
        )
    try:
        described = json.loads((directory / DESCRIPTION).read_text())
        state = load_file(directory / WEIGHTS, device="cpu")
        if described["format"] != _FORMAT:
            raise ModelFileError(
                f"{directory} has model format {described['format']!r}; this version reads {_FORMAT}."
            )
        spec = from_dict(TensorSpec, described["spec"])
        config = read_config(described["net"])
        if isinstance(config, Custom):
            code = directory / FOLDER
            config = trust(config, code, allowed=trust_code, where=str(code))
        prepare = Prepare(
            described["preparation"],
            spec,
            state["prepare.offset"],
            state["prepare.factor"],
            state.get("prepare.matrix"),
            from_dict(SpectrogramConfig, described.get("spectrogram", {})),
        )
        restore = None
        if "restore.offset" in state:
            restore = Restore(
                state["restore.offset"], state["restore.factor"], state.get("restore.channel")
            )
        net = build(config, spec, described["num_outputs"], prepare=prepare, restore=restore)
        net.load_state_dict(state)
        net.lengths = described.get("lengths")
        if text := described.get("text"):
            net.text = from_dict(TextEncoding, text)
    except ModelFileError:
        raise
    except (
        SafetensorError,
        ConfigError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        OSError,
    ) as error:
        raise ModelFileError(
            f"{directory} does not hold a usable net ({type(error).__name__}: {error}). The files "
            "are damaged, or nets.save did not write them: export the run again."
        ) from error
    net.labels = tuple(described["labels"]) if described["labels"] else None
    net.channels_last()  # half the time, as in training
    return net.to(device).eval()


def to_onnx(net: Net, path: Path | str) -> None:
    """Write the net as ONNX: input `features` (batch, *spec.shape) in spec.dtype, output `scores`.

    The batch size is free. A text's length is that of its tokens before the padding, which is 0. A net of
    series that may be shorter (`net.lengths`, or not known) has a second input, `length` (batch,) int64: the
    valid steps of each row. Without it, series are of full length.
    """
    was_training = net.training
    net.eval()
    recurrent = any(isinstance(module, nn.RNNBase) for module in net.modules())
    batch = torch.export.Dim("batch", min=1)
    model = _WithLength(net) if net.spec.kind == "tokens" else net
    inputs = {"features": torch.ones_like(net.example(2))}
    if net.spec.kind == "series" and net.lengths is not False:
        steps = net.spec.shape[0]
        inputs["length"] = torch.tensor(
            [steps, max(1, steps - 1)], device=inputs["features"].device
        )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about itself
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # and about torchvision's absence
        target = Path(folder) / "net.onnx"
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            str(target),
            input_names=list(inputs),
            output_names=["scores"],
            # The older exporter knows the recurrent operators, the newer one everything else.
            dynamo=not recurrent,
            external_data=False,
            **(
                {"dynamic_axes": {name: {0: "batch"} for name in (*inputs, "scores")}}
                if recurrent
                else {"dynamic_shapes": {name: {0: batch} for name in inputs}}
            ),
            verbose=False,
        )
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(target, path)
    net.train(was_training)


class _WithLength(nn.Module):
    """A net of texts that finds the length of each by itself. Token ids (B, T), 0 behind the text."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: Tensor) -> Tensor:
        places = torch.arange(1, features.shape[1] + 1, device=features.device)
        out: Tensor = self.net(features, ((features != 0) * places).amax(1))
        return out
