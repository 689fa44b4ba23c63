"""Great Expectations: one suite per stage (`suites`), over small frames made from the tables (`frames`).

Only `validate` imports Great Expectations. The rules themselves are plain descriptions, from which Dagster's
asset checks are listed.
"""

from brev_pipeline.expectations.rules import Finding, Rule
from brev_pipeline.expectations.suites import SUITES

__all__ = ["SUITES", "Finding", "Rule"]
