from .check import check_integrity as check_integrity
from .findings import compare_contents as compare_contents
from .findings import compare_listings as compare_listings
from .findings import find_gone_contents as find_gone_contents
from .findings import list_duplicate_groups as list_duplicate_groups
from .findings import list_label_conflicts as list_label_conflicts
