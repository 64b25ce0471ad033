"""A bench: Ray, Spark, prepared data and warm processes that stay up between commands.

`workbench up` starts a supervisor process (`supervisor`). It starts Ray and on it a detached actor
(`server`), which owns Spark, the prepared data and the queue of jobs (`queue`). Jobs run one after
another in a process of their own (`runner`). Clients (`client`) send requests to the actor over a
socket (`rpc`), in a folder that only this user may enter, and read a job's progress from the job's
folder (`folder`).

The client's modules load neither Ray nor Spark, MLflow or torch.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
