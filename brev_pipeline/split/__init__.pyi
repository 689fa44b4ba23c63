from .assignment import assign_purposes as assign_purposes
from .known_assignments import read_known_assignments as read_known_assignments
from .prior import PriorAssignments as PriorAssignments
from .report import SplitReport as SplitReport
from .report import build_split_report as build_split_report
from .selection import EXCLUSIONS as EXCLUSIONS
from .selection import SELECTED_SAMPLES as SELECTED_SAMPLES
from .selection import select_samples as select_samples
