"""``brev-pipeline check``: what the code location would make of configuration files."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brev_pipeline.config.load import to_printable
from brev_pipeline.orchestration.code_location import LoadedFile, list_config_files, load_config_files


@dataclass(frozen=True)
class CheckedFile:
    """What is to be said of one file."""

    file: str
    """As it was given."""
    problems: Sequence[str]
    """What makes it unusable; nothing where it is good."""
    warnings: Sequence[str]
    """What one should know of it although it is good."""

    def document(self) -> dict[str, Any]:
        """The file as JSON for programs."""
        return {
            "file": self.file,
            "good": not self.problems,
            "problems": list(self.problems),
            "warnings": list(self.warnings),
        }


def check_files(files: Sequence[Path]) -> list[CheckedFile]:
    """Load files as the code location of their folders would, which finds equal names too.

    Files that are given together are meant to be used together, whatever folders they lie in.
    """
    # One spelling for each file, so that one given twice is no rival of itself; links stay what they are.
    given = {Path(os.path.abspath(file)): file for file in files}
    loaded: dict[Path, LoadedFile] = {}
    for folder in dict.fromkeys(file.parent for file in given):
        own = [file for file in given if file.parent == folder]
        beside = list_config_files(folder)
        together = [*beside, *(file for file in own if file not in beside)]
        loaded |= {outcome.file: outcome for outcome in load_config_files(together, own)}
    owners: dict[str, Path] = {}
    checked = []
    for file, as_given in given.items():
        outcome = loaded[file]
        problems, name = outcome.problem.splitlines(), outcome.config.name if outcome.config else ""
        if name and (owner := owners.setdefault(name, as_given)) != as_given:
            problems = [
                f"{to_printable(as_given)}: name: {name} is the name of {to_printable(owner)} too; rename one of them"
            ]
        warnings = outcome.config.setup_warnings if outcome.config and not problems else []
        checked.append(CheckedFile(to_printable(as_given), problems, warnings))
    return checked
