from .experiment import Experiment as Experiment
from .reference import Setting as Setting
from .reference import settings as settings
from .registry import is_data_path as is_data_path
from .registry import load_experiment as load_experiment
from .registry import names as names
