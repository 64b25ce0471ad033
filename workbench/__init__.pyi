from .cluster.session import bench as bench
from .cluster.session import open_session as open_session
from .data.sources.dataframe import DataFrameSource as DataFrameSource
from .experiments.experiment import Experiment as Experiment
from .experiments.registry import load_experiment as load_experiment
from .notebook.opened import Workbench as Workbench
from .notebook.opened import open as open
from .sweeps.driver import sweep as sweep
from .training.driver import train as train
from .training.find_rate import find_learning_rate as find_learning_rate

__version__: str
