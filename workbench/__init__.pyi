from .cluster.bench import bench as bench
from .experiments.experiment import Experiment as Experiment
from .experiments.registry import load_experiment as load_experiment
from .sweeps.driver import sweep as sweep
from .training.driver import train as train

__version__: str
