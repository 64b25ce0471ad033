"""A bench that stays up: Ray, Spark, prepared data and warm processes, kept between commands.

`workbench up` starts a keeper (`keeper.py`), which starts Ray and on it a detached actor
(`actor.py`): the owner of Spark, the prepared data and the queue of jobs. Jobs run one after
another in a process of their own (`runner.py`). Clients (`client.py`) ask the actor over a socket in
a folder that only this user may enter, and read a job's events from its folder (`jobs.py`,
`events.py`).

What a client needs loads neither Ray nor Spark, MLflow or torch.
"""

from __future__ import annotations

from workbench.resident.client import Client, find
from workbench.resident.jobs import Job, Jobs
from workbench.resident.state import State

__all__ = ["Client", "Job", "Jobs", "State", "find"]
