"""Dagster's entry point: the YAML files of a folder, as definitions, and nothing else.

The folder is ``$BREV_PIPELINE_CONFIGS``, or else ``configs`` in the working directory, or else the checkout's.
"""

import os
from pathlib import Path

from brev_pipeline.orchestration.code_location import build_folder_definitions


def configs_folder() -> Path:
    """Where the pipelines' YAML files are."""
    named = os.environ.get("BREV_PIPELINE_CONFIGS")
    if named:
        return Path(named)
    here = Path.cwd() / "configs"
    return here if here.is_dir() else Path(__file__).resolve().parents[1] / "configs"


defs = build_folder_definitions(configs_folder())
