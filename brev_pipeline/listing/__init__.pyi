from .datasets import ListingState as ListingState
from .datasets import list_dataset as list_dataset
from .datasets import list_datasets as list_datasets
from .datasets import listing_fingerprint as listing_fingerprint
from .datasets import listing_state as listing_state
from .path_classes import ROOT as ROOT
