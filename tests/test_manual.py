"""The manual's reference is whole, and its pages can be collected; Sphinx itself runs in `make docs`."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml

from nets.config import flatten
from workbench import load_experiment
from workbench.cli import app
from workbench.experiments import names

MANUAL = Path(__file__).parents[1] / "docs" / "manual"
SCHEMAS = Path(__file__).parent / "schemas"
FILE_ENDS = (".md", ".json", ".csv")
NO_SETTINGS = {
    *("sweep.best", "sweep.best_run", "sweep.frame"),  # of a result
    *("net.code", "training.loss.code", "net.blocks.all.channels"),  # parameters of a run
    # Arguments of the parts that the page on own parts writes.
    *("net.width", "net.depth", "training.loss.gamma", "training.optimizer.momentum_decay"),
}
"""What looks like a setting in a page."""


@pytest.fixture(scope="module")
def build() -> Iterator[Any]:
    """The program that builds the manual, which lies outside of the packages."""
    sys.path.insert(0, str(MANUAL))
    try:
        yield importlib.import_module("build")
    finally:
        sys.path.remove(str(MANUAL))
        for name in ("build", "reference", "messages"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def pages(build: Any) -> dict[str, str]:
    found: dict[str, str] = importlib.import_module("reference").pages()
    return found


@pytest.mark.parametrize("name", names())
def test_every_setting_of_an_experiment_is_in_the_reference(
    name: str, pages: dict[str, str]
) -> None:
    listed = set(re.findall(r"^\| `([\w.]+)` \|", pages["settings"], re.MULTILINE))
    paths = {path for path in flatten(load_experiment(name)) if not path.startswith("sweep.space")}
    assert paths - listed == set()


def test_every_setting_has_a_meaning(pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| .* \| *(.*) \|$", pages["settings"], re.MULTILINE)
    parts = {"data", "preparation", "net", "training", "cluster", "sweep"}
    assert len(rows) > 150
    bare = [path for path, meaning in rows if not meaning.strip() and path not in parts]
    assert [path for path in bare if not path.endswith("kind")] == []


def test_settings_that_the_pages_name_exist(pages: dict[str, str]) -> None:
    listed = set(re.findall(r"^\| `([\w.]+)` \|", pages["settings"], re.MULTILINE))
    known = {path.rpartition(".")[0] for path in listed} | listed
    parts = "|".join(sorted({path.partition(".")[0] for path in listed} - {"name", "description"}))
    setting = re.compile(rf"(?<![\w/.`-])`?((?:{parts})(?:\.[a-z]\w*)+)(?![\w/(*-])")
    for page in [MANUAL.parents[1] / "README.md", *sorted(MANUAL.parent.rglob("*.md"))]:
        named = set(setting.findall(page.read_text())) - NO_SETTINGS
        unknown = [path for path in named - known if not path.endswith(FILE_ENDS)]
        assert sorted(unknown) == [], page.name


def test_every_kind_of_source_and_net_is_on_a_page(pages: dict[str, str]) -> None:
    row = re.compile(r"^\| `(?:data\.source|net)\.kind` \| `'(\w+)'`", re.MULTILINE)
    text = "\n".join(page.read_text() for page in MANUAL.parent.glob("*.md"))
    kinds = row.findall(pages["settings"])
    assert len(kinds) > 15
    assert [kind for kind in kinds if f"`{kind}`" not in text] == []


def test_every_command_and_option_is_in_the_reference(pages: dict[str, str]) -> None:
    def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        for child, each in getattr(command, "commands", {}).items():
            yield f"{name} {child}", each
            yield from walk(each, f"{name} {child}")

    for name, command in walk(typer.main.get_command(app), "workbench"):
        if command.hidden or getattr(command, "commands", None):
            continue
        assert f"## {name}\n" in pages["commands"]
        section = pages["commands"].split(f"## {name}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            assert getattr(parameter, "hidden", False) or f"`{parameter.opts[0]}`" in section, name


def test_the_python_reference_has_every_face(pages: dict[str, str]) -> None:
    for name in ("workbench.open", "workbench.Experiment", "nets.CNNConfig", "tracking.Reader"):
        assert f"### {name}\n" in pages["api"]
    section = pages["api"].split("### workbench.Workbench\n")[1].split("\n### ")[0]
    assert "label: str | None = None" in section and "- `settings`: other values" in section


def test_the_index_of_messages_has_those_of_the_page_of_errors(pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (MANUAL.parent / "errors.md").read_text(), re.MULTILINE)
    plain = re.sub(r"\\([\\`*_<\[\]#$])", r"\1", pages["messages"])
    assert len(rows) > 15 and plain.count("\n| ") > 350
    # This one is added to others, after their own words.
    assert [row for row in rows if row not in plain] == ["Did you mean"]


def test_pages_are_collected_with_their_links(build: Any, tmp_path: Path) -> None:
    build.collect(tmp_path / "source")
    index = (tmp_path / "source" / "index.md").read_text()
    listed = re.findall(r"^(docs/[\w/.-]+)$", index, re.MULTILINE)
    for page in listed:
        assert (tmp_path / "source" / f"{page}.md").is_file(), page
    written = {f"docs/{page.stem}" for page in (tmp_path / "source" / "docs").glob("*.md")}
    assert written - set(listed) == {"docs/cnn-in-the-ui"} - set(listed)
    with pytest.raises(SystemExit, match=r"gone\.md is linked"):
        build.point_to_code("[x](gone.md)", tmp_path / "source", tmp_path / "source")


def test_files_of_the_deployment_page_are_read() -> None:
    text = (MANUAL.parents[1] / "docs" / "deploy.md").read_text()
    read = {"yaml": yaml.safe_load, "toml": tomllib.loads}
    blocks = re.findall(r"^```(yaml|toml)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    compose, secrets, cluster, application = (read[kind](block) for kind, block in blocks)
    assert {"tracking", "db", "ui", "proxy"} == set(compose["services"])
    assert "client_secret" in secrets["auth"]
    workers = cluster["spec"]["workerGroupSpecs"][0]["rayStartParams"]["resources"]
    assert json.loads(json.loads(workers)) == {"cpu_node": 100}
    packages = (MANUAL.parents[1] / "constraints.txt").read_text().splitlines()
    assert f"ray=={cluster['spec']['rayVersion']}" in packages
    assert f"pyspark=={application['spec']['sparkVersion']}" in packages
    for manifest in (cluster, application):
        assert problems(manifest) == []
    cluster["spec"]["headGroupSpec"]["template"]["spec"]["volume"] = []
    application["spec"]["driver"]["cores"] = "one"
    assert ["'volume'" in text for text in problems(cluster)] == [True]
    assert problems(application) == ["'one' is not of type 'integer'"]


def problems(manifest: dict[str, Any]) -> list[str]:
    """What the schema of its kind refuses; `tests/schemas/prune.py` made it from the whole one."""
    schema = json.loads((SCHEMAS / f"{manifest['kind']}.json").read_text())
    return [
        error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    ]


def test_the_image_copies_what_is_there() -> None:
    root = MANUAL.parents[1]
    text = (root / "Dockerfile").read_text()
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert [name for name in copied if not (root / name).exists()] == []
    project = tomllib.loads((root / "pyproject.toml").read_text())
    needed = {project["project"]["readme"], *project["project"]["license-files"]}
    assert needed | {"pyproject.toml", "constraints.txt", "nets", "workbench"} <= set(copied)
    [extras] = re.findall(r"\.whl\)\[([\w,]+)\]", text)
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])


def test_the_extras_of_the_package_are_on_the_page_start() -> None:
    root = MANUAL.parents[1]
    page = (root / "docs" / "start.md").read_text().split("| extra |")[1].split("\n\n")[0]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    listed = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert listed == set(project["optional-dependencies"]) - {"dev"}
