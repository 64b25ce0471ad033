"""Reads clusters.toml: the `cluster` settings of experiments, by a name for each cluster.

    [lab]
    description = "the four machines under the stairs"
    address = "10.0.0.5:6379"
    storage = "/shared/checkpoints"
    num_workers = 4

    [yarn]
    topology = "spark"
    spark.master = "yarn"
    spark.max_nodes = 8

The file is the one that WORKBENCH_CLUSTERS names, else `clusters.toml` in the working folder, else
`~/.config/workbench/clusters.toml`. Only the first of these is read.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.cluster.config import ClusterConfig

VARIABLE = "WORKBENCH_CLUSTERS"
_OWN_KEYS = ("description", "token_path")
"""Keys of a cluster that are not settings of an experiment."""


@dataclass(frozen=True, kw_only=True)
class NamedCluster:
    """One table of the file."""

    name: str
    file: Path
    settings: dict[str, Any]
    """Settings by their paths in an experiment, such as `cluster.address`."""
    description: str = ""
    token_path: Path | None = None
    """File with the Ray token of that cluster; None: where Ray looks itself (RAY_AUTH_TOKEN, ~/.ray/auth_token)."""

    def config(self) -> ClusterConfig:
        """The default configuration with these settings."""
        from nets.config import override
        from workbench.cluster.config import ClusterConfig

        changes = {key.removeprefix("cluster."): value for key, value in self.settings.items()}
        return override(ClusterConfig(), changes)

    def use(self) -> None:
        """Make this process, and those it starts, use that cluster's token.

        Raises:
            ConfigError: the file with the token cannot be read.
        """
        if self.token_path is None:
            return
        from nets.errors import ConfigError

        if not os.access(self.token_path, os.R_OK):
            raise ConfigError(
                f"token_path of cluster {self.name!r} in {self.file} must be a file with Ray's "
                f"token, got {self.token_path}, which cannot be read. Copy it from the cluster's "
                "~/.ray/auth_token, readable by you alone."
            )
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(self.token_path)


def find_file() -> Path | None:
    """The file to read; None where there is none.

    Raises:
        ConfigError: WORKBENCH_CLUSTERS names a file that does not exist.
    """
    if value := os.environ.get(VARIABLE):
        path = Path(value).expanduser()
        if not path.is_file():
            raise _config_error(f"{VARIABLE} must name a file with clusters, got {value!r}.")
        return path
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = (Path("clusters.toml"), config / "workbench" / "clusters.toml")
    return next((path for path in places if path.is_file()), None)


def load_cluster(name: str) -> NamedCluster:
    """The cluster called `name` in the file that `find_file` finds.

    Raises:
        ConfigError: there is no file or no such cluster, or a key or a value breaks a rule.
    """
    file = find_file()
    if file is None:
        raise _config_error(
            f"--cluster {name}: there is no file with clusters. Write clusters.toml here or in "
            f"~/.config/workbench, or name one in {VARIABLE}; docs/clusters.md shows an example."
        )
    return read_cluster(file, name)


def read_cluster(file: Path, name: str) -> NamedCluster:
    """`load_cluster` of a file. All clusters in it are checked, so a mistake shows early."""
    from nets.config import unknown

    clusters = {each.name: each for each in _read_all(file)}
    if name not in clusters:
        raise _config_error(f"{file}: {unknown('cluster', name, sorted(clusters))}")
    return clusters[name]


def _read_all(file: Path) -> Iterator[NamedCluster]:
    try:
        tables = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _config_error(f"{file} cannot be read as TOML: {error}.") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise _config_error(f"{file}: a cluster is a table, [{name}], got {name} = {table!r}.")
        yield _cluster(file, name, table)


def _cluster(file: Path, name: str, table: dict[str, Any]) -> NamedCluster:
    from nets.config import from_dict, to_dict, unknown
    from nets.errors import ConfigError
    from workbench.cluster.config import ClusterConfig, SparkClusterConfig

    for key in _OWN_KEYS:
        if not isinstance(table.get(key, ""), str):
            raise _config_error(f"{file}: {name}.{key} is text, got {table[key]!r}.")
    chosen = {key: value for key, value in table.items() if key not in _OWN_KEYS}
    fields = {"": list(ClusterConfig.__dataclass_fields__), "spark.": list(_spark_fields())}
    for prefix, part in (("", chosen), ("spark.", chosen.get("spark", {}))):
        for key in part if isinstance(part, Mapping) else ():
            if key not in fields[prefix]:
                names = sorted(
                    prefix + each for each in (*fields[prefix], *(() if prefix else _OWN_KEYS))
                )
                mistake = unknown("key", prefix + key, names)
                listed = "" if "Known:" in mistake else f" Known: {', '.join(names)}."
                raise _config_error(f"{file}: [{name}] {mistake}{listed}")
    try:
        whole = from_dict(ClusterConfig, chosen)
    except ConfigError as error:
        raise _config_error(f"{file}: [{name}] {error}") from None
    _refuse_idle(file, name, chosen, whole)
    tree = to_dict(whole)
    settings = {f"cluster.{key}": tree[key] for key in chosen if key != "spark"}
    settings |= {
        f"cluster.spark.{key}": tree["spark"][key]
        for key in chosen.get("spark", {})
        if key in SparkClusterConfig.__dataclass_fields__
    }
    token = table.get("token_path")
    return NamedCluster(
        name=name,
        file=file,
        settings=settings,
        description=table.get("description", ""),
        token_path=None if token is None else Path(token).expanduser(),
    )


def _refuse_idle(file: Path, name: str, written: Mapping[str, Any], whole: ClusterConfig) -> None:
    """Refuse keys that change nothing beside the others of the cluster."""
    from workbench.cluster.idle import idle_settings

    spark = written.get("spark", {})
    paths = [*written, *(f"spark.{key}" for key in spark)]
    for path, rule, way_out, _ in idle_settings(whole):
        if path in paths:
            raise _config_error(
                f"{file}: [{name}] {path} would change nothing: {rule}. "
                f"{way_out.replace('cluster.', '')}, or leave {path} out."
            )


def _spark_fields() -> tuple[str, ...]:
    from workbench.cluster.config import SparkClusterConfig

    return tuple(SparkClusterConfig.__dataclass_fields__)


def _config_error(message: str) -> Exception:
    from nets.errors import ConfigError  # loads torch, which only an error may

    return ConfigError(message)
