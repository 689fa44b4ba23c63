"""Classes: what a path says about its image, by ``listing.category`` and ``listing.class_mapping``.

Names are compared in Unicode's normal form C, and categories are stored in it: two folders whose names look the same
and are typed in two ways hold one class.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from unicodedata import normalize

from brev_pipeline.config.models import FolderCategory, ListingSettings
from brev_pipeline.errors import ListingError

ROOT: Final = "__root__"
"""Folder of the images that lie directly in a dataset's root. The reference package's name for it."""


class Named(NamedTuple):
    """What a configuration makes of a path."""

    found: tuple[str, ...]
    """The names that ``listing.category`` finds, as the path has them; none where it finds none."""
    keys: tuple[str, ...]
    """The keys of ``listing.class_mapping`` that rename them, as the configuration has them."""
    categories: list[str]
    """In normal form C, each once."""
    others: tuple[str, ...] = ()
    """Further names that a key of ``listing.class_mapping`` could have renamed."""


def folder_name(folder: str) -> str:
    """Name of the leaf folder.

    Args:
        folder: relative to the dataset's root, parts separated and ended by slashes; empty for the root itself.
    """
    return next((part for part in reversed(folder.split("/")) if part), ROOT)


def kept(found: list[str], classes: Sequence[str] | None) -> list[str]:
    """Those of ``found`` that are in ``classes``, which are in normal form C; all where ``classes`` is None."""
    return found if classes is None else [name for name in found if name in classes]


def reason_of(categories: Sequence[str]) -> str:
    """Why an image with these categories is none of ``listing.classes``, in words."""
    return f"not among listing.classes: {', '.join(categories) or 'listing.category finds no class'}"


def composed_names(names: Sequence[str]) -> list[str]:
    """The names in normal form C, each once, in their order."""
    return list(dict.fromkeys(normalize("NFC", name) for name in names))


class Namer:
    """Says what classes an image has.

    Args:
        settings: of the listing.

    Raises:
        ListingError: two keys of ``class_mapping`` are one name, and say two things.
    """

    def __init__(self, settings: ListingSettings) -> None:
        rule = settings.category
        self.pattern = rule if isinstance(rule, str) else None
        self._levels = rule.levels if isinstance(rule, FolderCategory) else []
        self._renames = _renames(settings.class_mapping)
        self.classes = None if settings.classes is None else composed_names(settings.classes)

    def of_folder(self, folder: str) -> Named:
        """What the folders say of the images in ``folder``; as of `folder_name`.

        Of one level, the nearest mapped folder counts, from there up to the root; an image without such a folder has
        the class that `ROOT` is mapped to, or none. Of several levels, each is renamed by its own name.
        """
        parts = [part for part in folder.split("/") if part]
        if len(self._levels) > 1:
            return self.of_names([_at(parts, level) for level in self._levels])
        name = _at(parts, self._levels[0])
        if not self._renames:
            return _plain(name)
        level = self._levels[0]
        above = [ROOT, *(parts[: level % len(parts) + 1] if name not in (None, ROOT) else [])]
        for part in reversed(above):
            if renamed := self._renames.get(normalize("NFC", part)):
                return Named((name or ROOT,), (renamed[0],), renamed[1], tuple(above[1:-1]))
        return _plain(name)._replace(others=tuple(above[1:-1]))

    def of_names(self, names: Sequence[str | None]) -> Named:
        """What the parts of a path say, each by itself; None and the empty text say nothing."""
        found = tuple(name for name in names if name)
        categories: list[str] = []
        keys = []
        for name in found:
            key, renamed = self._renames.get(normalize("NFC", name), (None, [name]))
            keys += [] if key is None else [key]
            categories += renamed
        return Named(found, tuple(keys), composed_names(categories))


def _plain(name: str | None) -> Named:
    return Named((), (), []) if name is None else Named((name,), (), [normalize("NFC", name)])


def _at(parts: Sequence[str], level: int) -> str | None:
    """The folder at a level: 0 lies in the root, -1 holds the image, which lies in `ROOT` where there is none."""
    if not parts and level == -1:
        return ROOT
    return parts[level] if -len(parts) <= level < len(parts) else None


def _renames(mapping: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, list[str]]]:
    """Key in normal form C → the key as it is configured, and its categories."""
    found: dict[str, tuple[str, list[str]]] = {}
    for key, names in mapping.items():
        renamed = (key, composed_names(names))
        other = found.setdefault(normalize("NFC", key), renamed)
        if other[1] != renamed[1]:
            raise ListingError(
                f"listing.class_mapping has the key {key!r} twice, in two of Unicode's forms ({other[0]!a} and "
                f"{key!a}), with the categories {other[1]} and {renamed[1]}: keep one of them"
            )
    return found
