from .driver import sweep as sweep
