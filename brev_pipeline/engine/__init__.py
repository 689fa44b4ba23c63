"""The engine: runs one function over many independent tasks, on this machine's cores or on a Ray cluster.

Stages receive an `Engine` and know nothing of where it works. A task's result depends on the function and the
task alone; only the order in which results arrive differs between engines and runs. All names are imported on
first use, because every worker process imports this package and should start fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
