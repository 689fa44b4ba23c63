"""Claims: what a version says of itself, laid ready for those who derive it anew."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.audit.table_checks import Tables, select_listed
from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.credentials import redact_all
from brev_pipeline.table_metadata import known_sha256
from brev_pipeline.texts import join_names

_SHOWN: Final = 3
_GIVEN_LISTS: Final = "split.given.lists."
Bools = npt.NDArray[np.bool_]
DERIVATION_ERRORS: Final = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    pa.ArrowException,
)
"""What a claim of the wrong kind ends in, somewhere in the code that derives it: that is then what is wrong with it."""
_SEPARATOR: Final = "\x1f"
_SHOWN_CHARACTERS: Final = 200


@dataclass(frozen=True)
class Contradiction:
    """A claim that does not follow from what the version holds."""

    line: str
    stages: frozenset[str] = frozenset()
    """Stages whose older code may have derived it otherwise, in good faith; none: it stands whatever code there was."""


@dataclass(frozen=True)
class OpenQuestion:
    """A claim that could not be derived, because something outside of the version is not at hand."""

    line: str


def as_certain(lines: Iterable[str]) -> Iterator[Contradiction]:
    """Contradictions that stand whatever release wrote the version."""
    return (Contradiction(line) for line in lines)


def depend_on_code(lines: Iterable[str], *stages: str) -> Iterator[Contradiction]:
    """Contradictions that older code of these stages may explain."""
    return (Contradiction(line, frozenset(stages)) for line in lines)


Finding = Contradiction | OpenQuestion
Derivation = Callable[["VersionClaims"], Iterator[Finding]]


@dataclass(frozen=True)
class KnownFiles:
    """What stands outside of a version, and is at hand: for what a version has from before.

    Attributes:
        parent: id of the version that was published before; None: there was none, or it is not known.
        ledger: assignments of that version; None where ``parent`` is, or where they cannot be had.
        classes: class names of that version, in the order of the labels; None where they cannot be had.
        is_first: it is certain that nothing was published before.
        assignments: key of the configuration (`SplitSettings.files`) → the file that it names now, as
            `load_known_assignments` and `load_given_files` read it.
    """

    parent: str | None = None
    ledger: pa.Table | None = None
    classes: Sequence[str] | None = None
    is_first: bool = False
    assignments: Mapping[str, pa.Table] = field(default_factory=dict)

    def read_file(self, key: str, digest: str | None) -> pa.Table | None:
        """The file with this SHA-256, under its key or, of lists, that of another list; None where there is none."""
        alike = [
            one
            for one in self.keys_of(digest)
            if one == key or (one.startswith(_GIVEN_LISTS) and key.startswith(_GIVEN_LISTS))
        ]
        return self.assignments[alike[0]] if alike else None

    def keys_of(self, digest: str | None) -> list[str]:
        """The keys that name a file with this SHA-256 now."""
        return [key for key, table in self.assignments.items() if digest and known_sha256(table) == digest]


def list_given_files(manifest: Mapping[str, Any]) -> dict[str, str | None]:
    """Key of the configuration (`SplitSettings.files`) → SHA-256 of the file that a version says it was made with."""
    given = {f"split.given.{key}": digest for key, digest in manifest.get("given_sha256", {}).items()}
    return {"split.ledger_csv": manifest.get("known_assignments_sha256"), **given}


@dataclass(frozen=True)
class VersionClaims:
    """A version's manifest and tables, and what is known besides.

    Attributes:
        manifest: of the version.
        config: the manifest's configuration.
        tables: name → table, all of `table_checks.TABLES`.
        known: what stands outside of the version.
    """

    manifest: Mapping[str, Any]
    config: PipelineConfig
    tables: Tables
    known: KnownFiles

    @cached_property
    def split_table(self) -> pa.Table:
        """The assignments of the images that are listed."""
        return select_listed(self.tables["assignments"])


def read_configuration(manifest: Mapping[str, Any], store: str = ".") -> PipelineConfig:
    """The configuration that a manifest names.

    Args:
        manifest: of a version.
        store: in place of the store, which no manifest names.

    Raises:
        ValueError: it is not such a configuration.
    """
    # A version made before passwords in addresses were refused may hold one.
    said = {**redact_all(manifest["configuration"]), "store": store}
    shards, split = said.get("shards"), said.get("split")
    if isinstance(shards, Mapping) and shards.get("target_shard_mb") is not None:
        # Both stand in the manifest, and only one of them was given.
        said["shards"] = {name: value for name, value in shards.items() if name != "records_per_shard"}
    if isinstance(split, Mapping) and isinstance(split.get("purposes"), Mapping):
        # JSON sorts them, and their order says in which one is filled first.
        order = manifest.get("purposes", [])
        shares = sorted(split["purposes"].items(), key=lambda one: order.index(one[0]) if one[0] in order else -1)
        said["split"] = {**split, "purposes": dict(shares)}
    return PipelineConfig.model_validate(said)


def compare_columns(
    file: str, rows: pa.Table, found: pa.Table, derived: pa.Table, columns: Sequence[str], whence: str
) -> Iterator[str]:
    """Where columns of a table are not what is derived: per column the first few rows, then how many more.

    Args:
        file: that holds the table.
        rows: ``path`` of each row, to name it.
        found: the table.
        derived: the same rows in the same order.
        columns: to be compared.
        whence: what the right value comes of, in words.
    """
    for name in columns:
        one, other = found[name], derived[name]
        differs = _find_differences(one, other)
        yield from name_paths(
            rows["path"],
            differs,
            lambda at, name=name, one=one, other=other: (  # type: ignore[misc]
                f"{file}: {name} of {rows['path'][at].as_py()} is {_shorten_value(one[at])}, {whence} "
                f"{_shorten_value(other[at])}"
            ),
            f"{file}: {name}",
        )


def name_paths(paths: pa.ChunkedArray, wrong: Bools, line: Callable[[int], str], what: str) -> Iterator[str]:
    """One line for each of the first few wrong rows, then one that counts the others and names the first of them.

    Args:
        paths: (rows,) of each row.
        wrong: (rows,)
        line: says what is wrong with a row, by its number.
        what: is wrong, for the count.
    """
    at = np.flatnonzero(wrong)
    yield from (line(int(row)) for row in at[:_SHOWN])
    if (more := len(at) - _SHOWN) > 0:
        yield f"{what}: and {more} more rows, the next {paths[int(at[_SHOWN])].as_py()}"


def find_missing_paths(here: pa.ChunkedArray, there: pa.ChunkedArray) -> Bools:
    """(rows,) which of ``here`` are not in ``there``."""
    return ~np.asarray(pc.is_in(here, value_set=pc.unique(there)).to_numpy(), np.bool_)


def align_rows(table: pa.Table, paths: pa.ChunkedArray) -> pa.Table:
    """The rows of ``table`` with these paths, in their order; each must be there once."""
    if len(table) == len(paths) and pc.all(pc.equal(table["path"], paths), min_count=0).as_py():
        return table
    return table.take(pc.index_in(paths, value_set=table["path"].combine_chunks()))


def _find_differences(one: pa.ChunkedArray, other: pa.ChunkedArray) -> Bools:
    if pa.types.is_list(one.type) or pa.types.is_large_list(one.type):
        one, other = (join_names(column, _SEPARATOR) for column in (one, other))
    if other.type != one.type:
        other = other.cast(one.type)
    same = pc.fill_null(pc.equal(one, other), False)
    neither = pc.and_(pc.is_null(one), pc.is_null(other))
    return ~np.asarray(pc.or_(same, neither).to_numpy(), np.bool_)


def _shorten_value(value: Any) -> str:
    said = repr(value.as_py())
    return said if len(said) <= _SHOWN_CHARACTERS else f"{said[:_SHOWN_CHARACTERS]}…"
