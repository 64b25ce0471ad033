"""Own parts as configurations: from a file, checked by their signature, the same in every process."""

from __future__ import annotations

import importlib.util
import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import nets
from nets import ConfigError, Custom, ModelFileError, TensorSpec, UntrustedCodeError
from nets.config import config, flatten, from_dict, override, to_dict
from nets.net import NetConfig

PICTURES = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
SERIES = TensorSpec(kind="series", shape=(6, 3))

LAYERS = """
from torch import nn

def block(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU())
"""
NET = '''
from __future__ import annotations

from typing import Literal

import torch
from layers import block
from torch import nn


class Mine(nn.Module):
    """A net.

    Args:
        width: Channels
            of a block.
        pool: What a map becomes.
    """

    def __init__(self, spec, num_outputs, *, width: int = 8, pool: Literal["mean", "max"] = "mean", sizes=(1, 2)):
        super().__init__()
        self.blocks = block(spec.shape[0], width)
        self.pool, self.output = pool, nn.Linear(width, num_outputs)

    def forward(self, x, length=None):
        x = self.blocks(x).flatten(2)
        return self.output(x.mean(2) if self.pool == "mean" else x.amax(2))


def make(spec, num_outputs, *, width: int):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.Linear(width, num_outputs))


class Last(nn.Module):
    def __init__(self, spec, num_outputs):
        super().__init__()
        self.recurrent = nn.GRU(spec.shape[1], 4, batch_first=True)
        self.output = nn.Linear(4, num_outputs)

    def forward(self, x, length=None):
        return self.output(self.recurrent(x)[0][:, -1])


class Bad(nn.Module):
    def __init__(self, spec, num_outputs, how=""):
        super().__init__()
        self.how, self.layer = how, nn.Linear(64, num_outputs)
        if how == "made":
            raise RuntimeError("no such layer")

    def forward(self, x, length=None):
        out = self.layer(x.flatten(1))
        if self.how == "fails":
            return out @ out
        if self.how == "shape":
            return out[:, :3]
        if self.how == "detached":
            return out.detach()
        return (out, out) if self.how == "tuple" else out.argmax(1, keepdim=True)


class WithoutArguments(nn.Module):
    def forward(self, x):
        return x


class NoLength(nn.Module):
    def __init__(self, spec, num_outputs):
        super().__init__()
        self.layer = nn.LazyLinear(num_outputs)

    def forward(self, x):
        return self.layer(x.flatten(1))


def module_argument(spec, num_outputs, *, activation: type[nn.Module] = nn.ReLU):
    return nn.Linear(1, 1)


def takes_kind(spec, num_outputs, *, kind="a"):
    return nn.Linear(1, 1)


def no_module(spec, num_outputs):
    return 3


def inside():
    class Local(nn.Module):
        pass

    return Local
'''


@config
class Whole:
    net: NetConfig = nets.CNNConfig()  # type: ignore[valid-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("own")
    (made / "layers.py").write_text(LAYERS)
    (made / "own_nets.py").write_text(NET)
    return made


@pytest.fixture(scope="module")
def own(folder: Path) -> Any:
    return run_file(folder, "own_nets")


def run_file(folder: Path, name: str) -> ModuleType:
    """Import a file as a program in its folder does."""
    sys.modules.pop("layers", None)  # files of other tests import another one by this name
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("layers", None)


def test_arguments_are_settings_with_the_types_defaults_and_help_of_the_signature(own: Any) -> None:
    whole = Whole(net=Custom(own.Mine, width=16))
    leaves = flatten(whole)
    assert leaves["net.kind"] == "custom" and leaves["net.source"] == "own_nets.py:Mine"
    assert (leaves["net.width"], leaves["net.pool"], leaves["net.sizes"]) == (16, "mean", [1, 2])
    changed = override(whole, {"net.width": "32", "net.pool": "max", "net.sizes": "[3]"})
    assert changed.net == Custom(own.Mine, width=32, pool="max", sizes=(3,))
    help_text = {name: f.description for name, f in type(whole.net).__pydantic_fields__.items()}  # type: ignore[attr-defined]
    assert help_text["width"] == "Channels of a block."
    assert from_dict(Whole, json.loads(json.dumps(to_dict(whole)))) == whole
    assert whole.net in {whole.net}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net.width": "wide"}, "net.width: Input should be a valid integer.*'wide'"),
        ({"net.pool": "sum"}, "net.pool: Input should be 'mean' or 'max', got 'sum'"),
        ({"net.widht": 3}, "Unknown setting 'net.widht'. Did you mean 'net.width'"),
    ],
)
def test_a_value_that_breaks_its_type_is_refused_by_its_path(
    own: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        override(Whole(net=Custom(own.Mine)), changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda own: Custom(own.Mine, widht=3), "argument of Mine 'widht'. Did you mean 'width'"),
        (lambda own: Custom(own.Mine, width=1.5), "width: Input should be a valid integer"),
        (lambda own: Custom(own.make), "width: Field required|width.*required"),
        (lambda own: Custom(own.inside()), "Local must be .* at the top level"),
        (lambda own: Custom(lambda spec, num_outputs: None), "at the top level of a Python file"),
        (lambda own: Custom(own.module_argument, activation=torch.nn.ReLU), "activation of module_argument cannot be a setting"),
        (lambda own: Custom(own.takes_kind), "is called 'kind'"),
        (lambda own: Custom(3), "Custom takes a class or a function, got 3"),
        (lambda own: Custom(own.Mine, 3), "its arguments by name"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_part_is_refused(own: Any, make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(own)


@pytest.mark.parametrize(
    ("make", "spec", "message"),
    [
        (lambda own: Custom(own.Bad, how="made"), PICTURES, r"Bad cannot be made for samples of image \(1, 8, 8\) and 10 outputs: RuntimeError: no such layer \(own_nets.py, line"),
        (lambda own: Custom(own.Bad, how="fails"), PICTURES, r"forward of Bad fails on 2 rows of image .* \(own_nets.py, line"),
        (lambda own: Custom(own.Bad, how="shape"), PICTURES, r"\(2, 10\) for 2 rows .*, got \(2, 3\)"),
        (lambda own: Custom(own.Bad, how="detached"), PICTURES, "output of Bad has no gradient"),
        (lambda own: Custom(own.Bad, how="tuple"), PICTURES, "must return a tensor .*, got tuple"),
        (lambda own: Custom(own.WithoutArguments), PICTURES, "a net takes `spec` and `num_outputs`"),
        (lambda own: Custom(own.NoLength), SERIES, r"must be forward\(self, x, length=None\)"),
        (lambda own: Custom(own.no_module), PICTURES, "must be, or return, a torch.nn.Module, got int"),
    ],
)  # fmt: skip
def test_a_net_that_does_not_fit_is_refused_with_what_came(
    own: Any, make: Any, spec: TensorSpec, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        nets.build(make(own), spec, 10)


def test_nets_of_all_forms_are_built_the_same_for_the_same_seed(own: Any) -> None:
    cases = [
        (Custom(own.Mine), PICTURES),
        (Custom(own.make, width=5), PICTURES),
        (Custom(own.NoLength), PICTURES),
        (Custom(own.Last), SERIES),
    ]
    for config_, spec in cases:
        one, two = (nets.build(config_, spec, 3, seed=4) for _ in range(2))
        assert all(
            torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True)
        )
        assert one(one.example(2)).shape == (2, 3)
        assert one.layers()


def test_what_is_inside_of_an_own_net_is_seen_as_of_others(own: Any) -> None:
    from nets import inside

    net = nets.build(Custom(own.Mine, width=4), PICTURES, 3)
    pixels = torch.randint(0, 16, (2, 1, 8, 8), dtype=torch.uint8)
    assert inside.convolutions(net) == ["body.blocks.0"]
    assert inside.filters(net, "body.blocks.0").shape == (4, 1, 3, 3)
    maps = inside.feature_maps(net, pixels)
    assert [*maps][-3:] == ["body.blocks.0", "body.blocks.1", "body.output"]
    assert maps["body.blocks.1"].shape == (2, 4, 8, 8)
    recurrent = nets.build(Custom(own.Last), SERIES, 3)
    (states,) = inside.states(recurrent, torch.rand(1, 6, 3))
    assert (states.cell_type, states.hidden.shape) == ("gru", (6, 4))


def test_another_process_gets_the_code_with_the_configuration(own: Any, tmp_path: Path) -> None:
    whole = Whole(net=Custom(own.Mine, width=4))
    net = nets.build(whole.net, PICTURES, 3, seed=1)
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(whole.net))
    script = (
        "import pickle, pathlib, sys, nets\n"
        "net = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "assert net.is_loaded and 'own_nets' not in sys.modules\n"
        "spec = nets.TensorSpec(kind='image', shape=(1, 8, 8), dtype='uint8')\n"
        "print(sum(float(p.detach().sum()) for p in nets.build(net, spec, 3, seed=1).parameters()))\n"
    )
    said = run_python(script, tmp_path / "net.pickle", cwd=tmp_path)
    assert float(said.stdout) == pytest.approx(
        sum(float(p.detach().sum()) for p in net.parameters()), abs=0
    )


def run_python(script: str, *arguments: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    root = str(Path(nets.__path__[0]).parent)
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env={"PYTHONPATH": root, "PATH": ""}
    )
    assert done.returncode == 0, done.stderr
    return done


LOAD = (
    "import sys, nets\n"
    "try:\n"
    "    net = nets.load(sys.argv[1], trust_code=sys.argv[2] == 'True')\n"
    "except nets.ModelFileError as error:\n"
    "    print(type(error).__name__, error)\n"
    "else:\n"
    "    print(net(net.example(2)).tolist())\n"
)


def test_a_saved_net_brings_its_code_which_runs_only_where_it_is_allowed(
    own: Any, tmp_path: Path
) -> None:
    net = nets.build(Custom(own.Mine, width=4), PICTURES, 3, seed=1).eval()
    nets.save(net, tmp_path / "net", labels=["a", "b", "c"])
    assert (tmp_path / "net/code/layers.py").read_text() == LAYERS
    described = json.loads((tmp_path / "net/model.json").read_text())
    assert set(described["code"]) == {"own_nets.py", "layers.py"}
    loaded = nets.load(tmp_path / "net")  # own code: no question
    expected = loaded(net.example(2)).tolist()
    assert torch.allclose(torch.tensor(expected), net(net.example(2)))

    def load(trust: bool) -> str:
        return run_python(LOAD, tmp_path / "net", Path(str(trust)), cwd=tmp_path).stdout

    refused = load(False)
    assert refused.startswith("UntrustedCodeError own_nets.py:Mine is code of a person's own")
    assert "layers.py, own_nets.py" in refused and f"{tmp_path}/net/code" in refused
    assert json.loads(load(True)) == expected
    changed = tmp_path / "net/code/layers.py"
    changed.write_text(LAYERS + "\nprint('something else')\n")
    assert "are not those that own_nets.py:Mine was recorded with" in load(True)
    with pytest.raises(ModelFileError, match="are not those"):
        nets.load(tmp_path / "net", trust_code=True)
    changed.unlink()
    assert "are not those" in load(True)


def test_a_record_alone_imports_nothing_and_says_so(own: Any, tmp_path: Path) -> None:
    whole = Whole(net=Custom(own.Mine, width=4))
    marker = tmp_path / "ran"
    (tmp_path / "own_nets.py").write_text(f"open({str(marker)!r}, 'w')\n")
    (tmp_path / "tree.json").write_text(json.dumps(to_dict(whole.net)))
    script = (
        "import json, sys, nets, pathlib\n"
        "from pydantic import TypeAdapter\n"
        "net = TypeAdapter(nets.NetConfig).validate_json(pathlib.Path(sys.argv[1]).read_text())\n"
        "print(net.is_loaded, net.width, nets.config.to_dict(net)['width'])\n"
        "try:\n"
        "    nets.build(net, nets.TensorSpec(kind='vector', shape=(3,)), 2)\n"
        "except nets.UntrustedCodeError as error:\n"
        "    print(error)\n"
    )
    said = run_python(script, tmp_path / "tree.json", cwd=tmp_path).stdout
    assert said.startswith("False 4 4\n") and "is not loaded here" in said
    assert not marker.exists()


def test_two_versions_of_a_file_live_side_by_side(tmp_path: Path) -> None:
    made = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "parts.py").write_text(f"VALUE = {number}\n")
        text = NET.replace("from layers import block", "import parts\nblock = None")
        text = text.replace("self.blocks(x)", "(x * parts.VALUE)").replace(
            "self.blocks = block(spec.shape[0], width)", "width = spec.shape[0]"
        )
        (folder / "sided.py").write_text(text)
        script = (
            "import pickle, sys\nsys.path.insert(0, sys.argv[1])\nimport sided, nets\n"
            "pickle.dump(nets.Custom(sided.Mine), open(sys.argv[1] + '/net.pickle', 'wb'))\n"
        )
        run_python(script, folder, cwd=tmp_path)
        made.append(pickle.loads((folder / "net.pickle").read_bytes()))
    assert made[0] != made[1] and made[0].code != made[1].code
    bodies = [nets.build(each, PICTURES, 3, seed=1).body for each in made]
    x = torch.ones(2, 1, 8, 8)
    bias = bodies[0].output.bias  # type: ignore[union-attr]
    assert torch.allclose(bodies[1](x) - bias, 2 * (bodies[0](x) - bias), atol=1e-6)


def test_a_part_of_a_package_brings_the_package_and_an_installed_one_brings_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "ownpackage"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep" / "__init__.py").write_text("from ..shared import SIZE\n")
    (package / "shared.py").write_text("SIZE = 3\n")
    (package / "unused.py").write_text("SIZE = 4\n")
    (package / "deep" / "net.py").write_text(
        "from . import SIZE\ndef make(spec, num_outputs): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import ownpackage.deep.net  # type: ignore[import-not-found]

    part = Custom(ownpackage.deep.net.make)
    assert part.source == "ownpackage/deep/net.py:make"
    names = {"__init__.py", "deep/__init__.py", "shared.py", "deep/net.py"}
    assert set(part.sha256) == {f"ownpackage/{name}" for name in names}
    again = pickle.loads(pickle.dumps(part))
    assert again == part
    installed = Custom(torch.nn.functional.mse_loss)
    assert installed.source == "torch.nn.functional:mse_loss" and not installed.code


def test_untrusted_is_a_model_file_error() -> None:
    assert issubclass(UntrustedCodeError, ModelFileError)
