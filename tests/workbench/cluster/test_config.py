"""Settings of a cluster: what goes together, and what is said where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from nets.config import from_dict, override, to_dict
from nets.errors import ConfigError
from workbench.cluster import ClusterConfig
from workbench.cluster.config import START_SETTINGS, parse_size

MASTERS = (
    "spark://a:7077",
    "spark://a:7077,b:7077",
    "yarn",
    "k8s://https://a:443",
    "local-cluster[2,1,1024]",
)


@pytest.mark.parametrize("master", MASTERS)
def test_an_existing_spark_cluster_of_each_kind(master: str) -> None:
    config = from_dict(ClusterConfig, {"topology": "spark", "spark": {"master": master}})
    assert config.on_cluster and master in config.location
    assert from_dict(ClusterConfig, to_dict(config)) == config


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"topology": "spark"}, r"needs the Spark cluster's address.*cluster\.spark\.master"),
        ({"topology": "spark", "spark": {"master": "local[2]"}}, r"must be spark://.*'local\[2\]'"),
        ({"spark": {"master": "yarn"}}, "Set cluster.topology to spark"),
        ({"topology": "spark", "address": "auto", "spark": {"master": "yarn"}}, "'auto'"),
        (
            {"spark": {"min_nodes": 3, "max_nodes": 2}},
            "min_nodes must be <= max_nodes, got 3 and 2",
        ),
        ({"num_executors": 3, "max_executors": 2}, "got 2 and 3"),
        ({"placement": "PACK", "executor_resources": {"a": 1}}, "Use one"),
        ({"placement": "PACK", "max_executors": 2}, "Use one"),
        ({"spark": {"settings": {"executor.memory": "1g"}}}, "begin with 'spark.'"),
        (
            {"spark": {"settings": {"spark.hadoop.fs.s3a.secret.key": "x"}}},
            "recorded with every run",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_dict(ClusterConfig, settings)


def test_sparks_settings_are_texts_by_their_full_names() -> None:
    nested = {"spark": {"executor": {"memory": "2g", "cores": 2}, "speculation": False}}
    config = from_dict(ClusterConfig, {"spark": {"settings": nested}})
    assert config.spark.settings == {
        "spark.executor.memory": "2g",
        "spark.executor.cores": "2",
        "spark.speculation": "false",
    }
    changed = override(config, {"spark.settings.spark.executor.memory": "3g"})
    assert changed.spark.settings["spark.executor.memory"] == "3g"


def test_executors_hold_whole_cores_where_they_are_placed() -> None:
    assert ClusterConfig(num_executors=3).spark_cpus == pytest.approx(0.3)
    assert ClusterConfig(num_executors=3, placement="SPREAD").spark_cpus == 6


def test_what_a_bench_has_decided_is_what_starts_ray_and_spark() -> None:
    later = {"num_workers", "cpus_per_worker", "gpus_per_worker", "worker_resources", "storage"}
    assert set(START_SETTINGS) == set(to_dict(ClusterConfig())) - later - {"max_failures"}


def test_sizes_as_spark_writes_them() -> None:
    assert (parse_size("1k"), parse_size("512m"), parse_size("2G")) == (2**10, 2**29, 2**31)
