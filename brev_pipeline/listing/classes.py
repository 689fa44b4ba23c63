"""Classes: what a folder says about the images in it."""

from collections.abc import Mapping, Sequence
from typing import Final

ROOT: Final = "__root__"
"""Folder of the images that lie directly in a dataset's root. The reference package's name for it."""


def folder_name(folder: str) -> str:
    """Name of the leaf folder.

    Args:
        folder: relative to the dataset's root, parts separated and ended by slashes; empty for the root itself.
    """
    return _parts(folder)[-1]


def categories(folder: str, class_mapping: Mapping[str, Sequence[str]]) -> list[str]:
    """Categories of the images in a folder: those of the nearest folder, from the leaf to the root, that is mapped.

    Without a mapped folder it is the leaf folder's name. The root itself can be mapped as `ROOT`.
    """
    parts = _parts(folder)
    mapped = next((class_mapping[part] for part in reversed(parts) if part in class_mapping), None)
    return [parts[-1]] if mapped is None else list(mapped)


def kept(found: list[str], classes: Sequence[str] | None) -> list[str]:
    """Those of ``found`` that are in ``classes``; all where ``classes`` is None. Images with none are left out."""
    return found if classes is None else [name for name in found if name in classes]


def _parts(folder: str) -> list[str]:
    return [ROOT, *(part for part in folder.split("/") if part)]
