"""Checks of the software: Python, Java, packages, the tracking store, Ray and Spark."""

from __future__ import annotations

import importlib.metadata
import sys

from workbench.errors import ClusterError
from workbench.preflight.check import Check

DISTRIBUTION = "ray-on-spark-workbench"
"""This project, as pip knows it."""


def check_python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] in ((3, 11), (3, 12)):
        return Check(name="Python", verdict="ok", seen=version)
    return Check(
        name="Python",
        verdict="warn",
        seen=f"{version}; the pinned packages are for 3.11 and 3.12",
        advice="make clean && make PYTHON=python3.11 setup",
    )


def check_java() -> Check:
    from workbench.cluster import find_java

    try:
        java = find_java()
    except ClusterError as error:
        seen, _, advice = str(error).partition(". ")
        return Check(name="Java", verdict="fail", seen=seen, advice=advice)
    return Check(name="Java", verdict="ok", seen=f"{java.version} from {java.source} ({java.home})")


def check_packages() -> Check:
    from packaging.requirements import Requirement

    try:
        stated = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return Check(
            name="packages",
            verdict="warn",
            seen="the workbench is not installed, only on the path",
            advice="pip install -c constraints.txt -e .",
        )
    wrong = []
    required = [r for r in map(Requirement, stated) if not r.marker or r.marker.evaluate()]
    for requirement in required:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} (needs {requirement.specifier})")
    if wrong:
        return Check(
            name="packages",
            verdict="fail",
            seen=", ".join(wrong),
            advice="make clean && make setup, or pip install -c constraints.txt -e .",
        )
    shown = ("ray", "raydp", "pyspark", "torch", "mlflow")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in shown)
    return Check(name="packages", verdict="ok", seen=f"{len(required)} as required: {versions}")


def check_tracking_store() -> Check:
    from tracking import TrackingError, check

    try:
        return Check(name="tracking store", verdict="ok", seen=check())
    except TrackingError as error:
        return Check(name="tracking store", verdict="fail", seen=str(error))


def check_cluster(name: str) -> Check:
    """Whether the file names the cluster, its settings are valid, and it answers."""
    from nets.errors import ConfigError
    from workbench.cluster import check_master, check_reachable, load_cluster

    title = f"cluster {name}"
    try:
        cluster = load_cluster(name)
        cluster.use()
        config = cluster.config()
        if config.topology == "spark":
            check_master(str(config.spark.master))
        elif config.on_cluster:
            check_reachable(config.address)
    except (ConfigError, ClusterError) as error:
        return Check(name=title, verdict="fail", seen=str(error))
    can_answer = config.topology == "ray" or str(config.spark.master).startswith("spark://")
    seen = "answers" if can_answer else "is tried with --start only"
    return Check(name=title, verdict="ok", seen=f"{config.location}: {seen} ({cluster.file})")


def check_start(cluster: str | None = None) -> Check:
    from nets.errors import ConfigError
    from workbench.cluster import load_cluster, open_session

    try:
        config = None if cluster is None else load_cluster(cluster).config()
        with open_session(config) as running:
            count = running.spark.range(1000).count()
            seconds = running.seconds
    except (ConfigError, ClusterError) as error:
        return Check(name="Ray and Spark", verdict="fail", seen=str(error))
    took = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    return Check(
        name="Ray and Spark", verdict="ok", seen=f"started and counted {count} rows ({took})"
    )
