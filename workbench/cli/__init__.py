"""The command line. Loads neither Ray nor Spark, MLflow or torch until a command needs them."""

from __future__ import annotations

from workbench.cli.main import app, main

__all__ = ["app", "main"]
