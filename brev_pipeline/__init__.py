"""From a bucket of inspection photos to audited, byte-reproducible training shards.

The notebook's names stand here and are imported when they are first used: importing the package is cheap.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
