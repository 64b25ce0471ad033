"""A bench that stays up: Ray, Spark, prepared data and warm processes, kept between commands.

`workbench up` starts a keeper (`keeper.py`), which starts Ray and on it a detached actor
(`actor.py`): the owner of Spark, the prepared data and the queue of jobs. Jobs run one after
another in a process of their own (`runner.py`). Clients (`client.py`) ask the actor over a socket in
a folder that only this user may enter, and read a job's events from its folder (`jobs.py`,
`events.py`).

What a client needs loads neither Ray nor Spark, MLflow or torch.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
