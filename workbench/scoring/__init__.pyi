from .files import score_files as score_files
from .files import stream_files as stream_files
from .frames import score as score
from .model import Model as Model
from .model import read_model as read_model
from .outputs import Outputs as Outputs
