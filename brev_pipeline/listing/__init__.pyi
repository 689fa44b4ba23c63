from .datasets import list_dataset as list_dataset
from .datasets import list_datasets as list_datasets
from .path_classes import ROOT as ROOT
from .state import (
    ListingState as ListingState,
)
from .state import (
    listing_fingerprint as listing_fingerprint,
)
from .state import (
    listing_state as listing_state,
)
