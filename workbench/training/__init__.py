"""One training, on one worker or several: `train(experiment)`.

`driver` runs it, `one_worker` and `ray_train` are the two ways to the workers, `learner` is the
training itself, epoch by epoch.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
