from .base import Progress as Progress
from .base import Silent as Silent
from .base import TrialNews as TrialNews
from .events import Events as Events
from .terminal import Terminal as Terminal
