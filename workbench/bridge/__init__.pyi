from .from_arrays import store_arrays as store_arrays
from .preparation import prepare as prepare
from .preparation import prepare_table as prepare_table
from .prepared import OpenSplit as OpenSplit
from .prepared import Prepared as Prepared
from .prepared import Split as Split
from .prepared import find as find
from .reading import SplitReader as SplitReader
