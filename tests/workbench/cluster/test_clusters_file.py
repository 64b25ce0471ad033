"""Clusters by name from clusters.toml; any mistake in it is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nets.config import override
from nets.errors import ConfigError
from tests.workbench.settings_walk import leaves
from workbench.cli import app
from workbench.cluster import ClusterConfig
from workbench.cluster.clusters_file import find_file, load_cluster, read_cluster

LAB = """
[lab]
description = "four machines"
address = "10.0.0.5:6379"
token_path = "~/lab-token"
num_workers = 4
worker_resources.gpu_node = 1

[yarn]
topology = "spark"
spark.master = "yarn"
spark.max_nodes = 8
[yarn.spark.settings]
spark.executor.memory = "4g"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("WORKBENCH_CLUSTERS", raising=False)
    return tmp_path


def write_file(text: str) -> Path:
    path = Path("clusters.toml")
    path.write_text(text)
    return path


def test_a_cluster_is_the_settings_that_its_table_names() -> None:
    lab = read_cluster(write_file(LAB), "lab")
    assert lab.settings == {
        "cluster.address": "10.0.0.5:6379",
        "cluster.num_workers": 4,
        "cluster.worker_resources": {"gpu_node": 1.0},
    }
    assert lab.config().num_workers == 4
    yarn = read_cluster(write_file(LAB), "yarn")
    assert yarn.settings["cluster.spark.settings"] == {"spark.executor.memory": "4g"}
    assert yarn.config().spark.max_nodes == 8


@pytest.mark.parametrize("topology", ["ray", "spark"])
def test_every_setting_of_a_cluster_arrives_or_is_refused(topology: str) -> None:
    start = {"topology": topology} | ({"spark.master": "yarn"} if topology == "spark" else {})
    base = override(ClusterConfig(), start)
    arrived, refused = set(), set()
    for leaf in leaves(base, "cluster."):
        path = leaf.path.removeprefix("cluster.")
        for value in leaf.others:
            if path in {"topology", *start} or value is None:
                continue  # TOML has no null: what is not set is left out
            lines = {**start, path: value}
            # A line with a quoted path is one key; a path with dots is a table in a table.
            text = "\n".join(f"{key} = {to_toml(each)}" for key, each in lines.items())
            try:
                cluster = read_cluster(write_file(f"[one]\n{text}\n"), "one")
            except ConfigError as error:
                assert path in str(error), "a refusal names the setting"
                refused.add(path)
                continue
            assert cluster.settings[leaf.path] == value
            assert cluster.config() == override(base, {path: value})
            arrived.add(path)
    print(f"{topology}: {len(arrived)} settings arrive, {len(refused)} are refused")
    assert arrived | refused == {
        leaf.path.removeprefix("cluster.")
        for leaf in leaves(base, "cluster.")
        if leaf.path not in {"cluster.topology", *(f"cluster.{key}" for key in start)}
    }
    assert {"spark.max_nodes"} <= (refused if topology == "ray" else arrived)


def to_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {to_toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def test_the_first_file_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_file() is None
    with pytest.raises(ConfigError, match=r"there is no file with clusters.*docs/clusters\.md"):
        load_cluster("lab")
    users = folder / "config" / "workbench" / "clusters.toml"
    users.parent.mkdir(parents=True)
    users.write_text(LAB)
    assert find_file() == users
    write_file("[here]")
    assert find_file() == Path("clusters.toml")
    monkeypatch.setenv("WORKBENCH_CLUSTERS", str(users))
    assert load_cluster("lab").file == users
    monkeypatch.setenv("WORKBENCH_CLUSTERS", "nowhere.toml")
    with pytest.raises(ConfigError, match=r"must name a file with clusters, got .nowhere\.toml"):
        find_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[a]\nadress = "x"',
            r"\[a\] Unknown key 'adress'. Did you mean 'address'\?.*Known: .*storage",
        ),
        ('[a]\nspark.mastr = "x"', r"'spark\.master'.*Known: .*spark\.max_nodes"),
        ("[a]\nnum_workers = 0", r"\[a\] num_workers: .*got 0"),
        ('[a]\ntopology = "spark"', r"\[a\] .*spark\.master"),
        ("[a]\nspark.max_nodes = 2", r"\[a\] spark\.max_nodes would change nothing: .*topology"),
        ("a = 1", "a cluster is a table, .* got a = 1"),
        ("[a]\ndescription = 3", "a.description is text, got 3"),
        ("[a", "cannot be read as TOML"),
        # Of another cluster in the file, too.
        ("[a]\n[b]\nnum_worker = 1", r"\[b\] Unknown key 'num_worker'. Did you mean 'num_workers'"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_cluster(write_file(text), "a")


def test_an_unknown_name_is_refused_and_all_names_are_listed() -> None:
    write_file(LAB)
    reply = CliRunner().invoke(app, ["train", "digits_cnn", "--cluster", "labb"])
    assert reply.exit_code == 2
    assert "Unknown cluster 'labb'. Did you mean 'lab'? Known: lab, yarn." in reply.stderr


def test_settings_of_the_command_win_over_the_file() -> None:
    from workbench.cli.options import build_experiment

    write_file("[lab]\nnum_workers = 4\nmax_failures = 7")
    experiment = build_experiment("digits_cnn", ["cluster.num_workers=2"], cluster="lab")
    assert (experiment.cluster.num_workers, experiment.cluster.max_failures) == (2, 7)


def test_a_clusters_token_replaces_this_machines(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of this machine")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "")
    lab = read_cluster(write_file(LAB), "lab")
    with pytest.raises(
        ConfigError, match=r"token_path of cluster 'lab'.*lab-token.*cannot be read"
    ):
        lab.use()
    (folder / "lab-token").write_text("of the lab")
    read_cluster(write_file(LAB), "lab").use()
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(folder / "lab-token")
    assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.parametrize(
    "command", [["train"], ["sweep"], ["up"], ["score"], ["doctor"], ["data", "describe"]]
)
def test_help_says_where_clusters_are_named(command: list[str]) -> None:
    reply = CliRunner().invoke(app, [*command, "--help"], terminal_width=200)
    assert "--cluster" in reply.output and "clusters.toml" in reply.output


def test_score_takes_a_master_or_a_cluster() -> None:
    command = ["score", "x", "-i", "a", "-o", "b", "--master", "local[1]", "--cluster", "lab"]
    reply = CliRunner().invoke(app, command)
    assert reply.exit_code == 2 and "use one" in reply.stderr


def test_doctor_looks_at_a_cluster() -> None:
    from workbench.preflight.software import check_cluster as look

    write_file(
        '[gone]\naddress = "127.0.0.1:1"\n[spark]\ntopology = "spark"\nspark.master = "yarn"'
    )
    gone, there = look("gone"), look("spark")
    assert gone.verdict == "fail" and "No Ray cluster answers at 127.0.0.1:1" in gone.seen
    assert there.verdict == "ok" and "yarn: is tried with --start only" in there.seen
