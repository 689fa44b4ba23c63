"""Names that a pipeline cannot have: Dagster's own, Python's, and those of our jobs and groups.

A pipeline's name becomes that of a group, a job and an asset prefix. Dagster refuses some names only when everything
is put together, and then all pipelines of the folder are gone. So they are refused where they stand in the YAML.
"""

import keyword
from typing import Final

DAGSTER_NAMES: Final = frozenset(keyword.kwlist) | {
    *("context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict", "output_arg_dict"),
    *("int", "str", "float", "bool", "input", "output", "type"),
}
"""What Dagster takes for no name (its ``DISALLOWED_NAMES``; Dagster is not imported here)."""

OUR_NAMES: Final = frozenset({"broken_configurations", "purge_old_runs", "purge"})
"""The group of files that cannot be used; the job that forgets old runs, and its op."""


def check_pipeline_name(name: str) -> str:
    """Return ``name`` if a pipeline can have it. Raises `ValueError` otherwise."""
    if name in DAGSTER_NAMES:
        raise ValueError(f"{name} is a word of Python's or Dagster's own; choose another, such as {name}_photos")
    # Dagster's names of steps are <pipeline>__<stage>; two that are equal would take everything down.
    if name in OUR_NAMES or "__" in name:
        raise ValueError(f"{name} is kept for Dagster's own use; choose another")
    return name
