"""Starter: from a bucket to a first configuration. Says what the files mean, and where that is not sure.

`survey` lists a place, `propose` says what its paths tell: photos and what lies beside them, classes, a split that is
there already, items; each with what speaks for it, and with doubts that somebody has to settle (`Choices`).
`configuration` writes the YAML. Nothing here asks questions: that is the command ``brev-pipeline init``.
"""

from brev_pipeline.init_wizard.items import Way, items_of, way_of
from brev_pipeline.init_wizard.propose import Choices, Doubt, Proposal, propose
from brev_pipeline.init_wizard.survey import Survey, survey
from brev_pipeline.init_wizard.write import Answers, configuration, name_from

__all__ = [
    "Answers",
    "Choices",
    "Doubt",
    "Proposal",
    "Survey",
    "Way",
    "configuration",
    "items_of",
    "name_from",
    "propose",
    "survey",
    "way_of",
]
