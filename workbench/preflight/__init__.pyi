from .capacity import Machine as Machine
from .capacity import Plan as Plan
from .capacity import plan as plan
from .check import Check as Check
from .doctor import diagnose as diagnose
from .recipe import experiment_for as experiment_for
from .source import Description as Description
from .source import describe as describe
