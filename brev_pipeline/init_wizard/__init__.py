"""From a bucket to a first configuration: says what the files mean, and where that is not sure.

`survey_files` lists a place, `propose_settings` says what its paths tell: photos and what lies beside them, classes, a
split that is there already, items; each with what speaks for it, and with doubts that somebody has to settle
(`Choices`). `format_configuration` writes the YAML. Nothing here asks questions: that is the command
``brev-pipeline init``.
"""

from brev_pipeline.init_wizard.configuration_text import ConfigurationAnswers, format_configuration, make_pipeline_name
from brev_pipeline.init_wizard.item_patterns import ItemPattern, match_items, measure_pattern
from brev_pipeline.init_wizard.proposal import Choices, Doubt, Proposal, propose_settings
from brev_pipeline.init_wizard.survey import FileSurvey, survey_files

__all__ = [
    "Choices",
    "ConfigurationAnswers",
    "Doubt",
    "FileSurvey",
    "ItemPattern",
    "Proposal",
    "format_configuration",
    "make_pipeline_name",
    "match_items",
    "measure_pattern",
    "propose_settings",
    "survey_files",
]
