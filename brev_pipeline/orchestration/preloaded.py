"""Imports what the steps of a run need, once, in the process that step processes are forked off.

Nobody imports this module but the multiprocess executor (see `executors`): it does what loading the code location
must never do. Great Expectations is the larger part of it: six of the thirteen steps apply a suite. What is imported
here is shared memory of all steps, some 300 MB once.
"""

# Arrow imports it as soon as it makes an array.
import pandas  # noqa: F401

import brev_pipeline.images
import brev_pipeline.integrity
import brev_pipeline.listing
import brev_pipeline.orchestration.metadata
import brev_pipeline.release.production
import brev_pipeline.split  # noqa: F401
from brev_pipeline.expectations.validate import import_great_expectations

import_great_expectations()
