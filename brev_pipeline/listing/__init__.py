"""Listing: one row per image object of the datasets, with its class from its path.

`list_datasets` is the stage; `listing_state` is its cheap half, for whoever watches.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.listing.datasets import list_dataset, list_datasets
    from brev_pipeline.listing.path_classes import ROOT
    from brev_pipeline.listing.state import ListingState, listing_fingerprint, listing_state

_HOMES = {
    "ROOT": "path_classes",
    "ListingState": "state",
    "list_dataset": "datasets",
    "list_datasets": "datasets",
    "listing_fingerprint": "state",
    "listing_state": "state",
}

__all__ = ["ROOT", "ListingState", "list_dataset", "list_datasets", "listing_fingerprint", "listing_state"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
