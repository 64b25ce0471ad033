from .client import Client as Client
from .client import find as find
from .folder import Job as Job
from .folder import Jobs as Jobs
from .statefile import State as State
