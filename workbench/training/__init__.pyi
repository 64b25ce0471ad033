from .driver import finishing as finishing
from .driver import train as train
