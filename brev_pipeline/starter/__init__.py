"""Starter: from a bucket to a first configuration. Looks at the first files, guesses, and lets a person decide.

`survey` lists some files of every class folder, `suggestions` tries the usual ways in which file names tell the
physical item, `items_of` shows what a regular expression makes of them, and `configuration` writes the YAML. Nothing
here asks questions: that is the command ``brev-pipeline init``.
"""

from brev_pipeline.starter.items import Suggestion, items_of, shared_between_folders, suggestions
from brev_pipeline.starter.survey import Survey, survey
from brev_pipeline.starter.write import Answers, configuration, name_from

__all__ = [
    "Answers",
    "Suggestion",
    "Survey",
    "configuration",
    "items_of",
    "name_from",
    "shared_between_folders",
    "suggestions",
    "survey",
]
