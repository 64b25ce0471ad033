from .bench import Bench as Bench
from .bench import bench as bench
from .config import ClusterConfig as ClusterConfig
from .java import Java as Java
from .java import find_java as find_java
