from .driver import close_run as close_run
from .driver import train as train
