"""The wheel: what is in it, that it works where the repository is not, and that its version has an entry."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import workbench

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("*.whl")
    return built


def run(folder: Path, program: str, *arguments: str) -> str:
    """What a program of the environment `folder/env` prints, in a folder without the repository."""
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "WORKBENCH_HOME": str(folder / "home"),
    }
    done = subprocess.run(
        [str(folder / "env" / "bin" / program), *arguments],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "nets", "tracking", "workbench"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    # `make release` builds the manual into the package.
    packed = {name for name in packed if not name.startswith("workbench/manual/")}
    assert packed == {name for name in listed if (ROOT / name).exists()}
    assert {"workbench/py.typed", "workbench/ui/.streamlit/config.toml"} <= packed
    assert "workbench/notebook/__init__.pyi" in packed  # the faces are read when they are imported


@pytest.mark.slow
def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Version"] == workbench.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]
    assert len(needed) == len(project["dependencies"])
    extras = set(metadata.get_all("Provides-Extra", []))
    assert {"ui", "text", "notebook", "s3", "postgresql"} <= extras


@pytest.mark.cluster
@pytest.mark.long
def test_an_installed_wheel_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """Installed beside the packages of this environment: what they are is the release's own check."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", code], text=True).strip())
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--force-reinstall"]
    subprocess.run([python, *install, str(wheel)], check=True, capture_output=True)

    where = run(tmp_path, "python", "-c", "import workbench, nets; print(workbench.__file__)")
    assert where.startswith(str(site))
    assert run(tmp_path, "workbench", "--version").strip() == f"workbench {workbench.__version__}"
    assert "digits_cnn" in run(tmp_path, "workbench", "experiments")
    result = json.loads(
        run(tmp_path, "workbench", "train", "digits_cnn", "--epochs", "1", "--json")
    )
    assert result["epochs"] == 1


def test_the_version_has_an_entry_in_the_changelog() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = [each for each in headings if each != "Unreleased"]
    assert released[0] == workbench.__version__


@pytest.mark.cluster
@pytest.mark.long
@pytest.mark.timeout(1200)  # packages of another Python are fetched
def test_a_sweep_a_training_and_an_export_on_python_3_12(wheel: Path, tmp_path: Path) -> None:
    python = shutil.which("python3.12")
    if not python or subprocess.run([python, "-V"], capture_output=True).returncode:
        pytest.skip("There is no python3.12 on PATH, the other Python that the package supports")
    environment = tmp_path / "env"
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    [torch] = [line for line in constraints if line.startswith("torch==")]
    pip = [str(environment / "bin" / "pip"), "-q", "--no-input", "install"]
    for what in (torch, str(wheel)):
        installed = subprocess.run(
            [*pip, what, "-c", str(ROOT / "constraints.txt")], capture_output=True, text=True
        )
        assert installed.returncode == 0, installed.stderr

    assert run(tmp_path, "python", "-V").startswith("Python 3.12.")
    assert "2 trials" in run(tmp_path, "workbench", "sweep", "digits_cnn", "--trials", "2")
    trained = run(tmp_path, "workbench", "train", "digits_rnn", "--epochs", "2", "--json")
    run(tmp_path, "workbench", "export", json.loads(trained)["run_id"], "model")
    shape = "import nets; net = nets.load('model'); print(tuple(net(net.example(2)).shape))"
    assert run(tmp_path, "python", "-c", shape).strip() == "(2, 10)"
