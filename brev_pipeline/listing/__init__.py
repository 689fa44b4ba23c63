"""Listing: one row per image object of the datasets, with its class from its path.

`list_datasets` is the stage; `listing_state` is its cheap half, for whoever watches.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
