from .config import ClusterConfig as ClusterConfig
from .java import Java as Java
from .java import find_java as find_java
from .session import Session as Session
from .session import open_session as open_session
