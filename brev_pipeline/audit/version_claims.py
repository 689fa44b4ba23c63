"""Claims: what a version says of itself, laid ready for those who derive it anew, and how these name what differs."""

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
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.table_metadata import known_sha256
from brev_pipeline.tables import to_mask
from brev_pipeline.texts import join_names

DERIVATION_ERRORS: Final = (
    BrevPipelineError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    pa.ArrowException,
)
"""What a claim of the wrong kind ends in, somewhere in the code that derives it: that is then what is wrong with it."""
_SHOWN: Final = 3  # rows of one kind
_SHOWN_CHARACTERS: Final = 200  # of a value
_GIVEN_LISTS: Final = "split.given.lists."
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CodeDependent:
    """A contradiction that older code of one of these stages may explain, in good faith; with no stage none may."""

    line: str
    stages: frozenset[str]


@dataclass(frozen=True)
class OpenQuestion:
    """A claim that could not be derived, because something outside of the version is not at hand."""

    line: str


Finding = str | CodeDependent | OpenQuestion
"""What a derivation finds; a text is a contradiction that stands whatever release wrote the version."""


def depend_on_code(lines: Iterable[str], *stages: str) -> Iterator[CodeDependent]:
    """Contradictions that older code of these stages may explain."""
    return (CodeDependent(line, frozenset(stages)) for line in lines)


@dataclass(frozen=True)
class KnownFiles:
    """What stands outside of a version, and is at hand: for what a version has from before.

    Attributes:
        parent: id of the version that was published before; None: there was none, or it is not known.
        ledger: assignments of that version; None where ``parent`` is, or where they cannot be had.
        classes: class names of that version, in the order of the labels; None where they cannot be had.
        is_first: it is certain that nothing was published before.
        assignments: key of the configuration (`SplitSettings.input_files`) → the file that it names now, as
            `load_known_assignments` and `load_given_files` read it.
    """

    parent: str | None = None
    ledger: pa.Table | None = None
    classes: Sequence[str] | None = None
    is_first: bool = False
    assignments: Mapping[str, pa.Table] = field(default_factory=dict)

    def read_file(self, key: str, digest: str | None) -> pa.Table | None:
        """The file with this SHA-256, under its key or, of lists, that of another list; None where there is none."""
        for name in self.keys_of(digest):
            # A list's key ends in its purpose's name: where purposes were renamed, it is still the same file.
            if name == key or (name.startswith(_GIVEN_LISTS) and key.startswith(_GIVEN_LISTS)):
                return self.assignments[name]
        return None

    def keys_of(self, digest: str | None) -> list[str]:
        """The keys that name a file with this SHA-256 now."""
        return [key for key, table in self.assignments.items() if digest and known_sha256(table) == digest]


def list_given_files(manifest: Mapping[str, Any]) -> dict[str, str | None]:
    """Key of the configuration (`SplitSettings.input_files`) → SHA-256 of the file that a version says it had."""
    given = {f"split.given.{key}": digest for key, digest in manifest.get("given_sha256", {}).items()}
    return {"split.ledger_csv": manifest.get("known_assignments_sha256"), **given}


@dataclass(frozen=True)
class VersionClaims:
    """A version's manifest, its configuration, all of `table_checks.TABLES`, and what stands outside of it."""

    manifest: Mapping[str, Any]
    config: PipelineConfig
    tables: Tables
    known: KnownFiles

    @cached_property
    def split_table(self) -> pa.Table:
        """The assignments of the images that are listed."""
        return select_listed(self.tables["assignments"])


def read_configuration(manifest: Mapping[str, Any], store: str = ".") -> PipelineConfig:
    """The configuration that a manifest names, with ``store`` in place of the store, which no manifest names.

    Raises:
        ValueError: it is not such a configuration.
    """
    # A version made before passwords in addresses were refused may hold one.
    contents = {**redact_all(manifest["configuration"]), "store": store}
    shards, split = contents.get("shards"), contents.get("split")
    if isinstance(shards, Mapping) and shards.get("target_shard_mb") is not None:
        # Both stand in the manifest, and only one of them was given.
        contents["shards"] = {name: value for name, value in shards.items() if name != "records_per_shard"}
    if isinstance(split, Mapping) and isinstance(split.get("purposes"), Mapping):
        # JSON sorts them, and their order says in which one is filled first.
        order = manifest.get("purposes", [])
        names = sorted(split["purposes"], key=lambda name: order.index(name) if name in order else -1)
        contents["split"] = {**split, "purposes": {name: split["purposes"][name] for name in names}}
    return PipelineConfig.model_validate(contents)


def compare_columns(
    file: str, found: pa.Table, derived: pa.Table, columns: Iterable[str], whence: str
) -> Iterator[str]:
    """Where columns of a table are not what is derived: per column the first few rows, then how many more.

    Args:
        file: that holds the table.
        found: the table, with the ``path`` of each row, to name it.
        derived: the same rows in the same order.
        columns: to be compared.
        whence: what the right value comes of, in words.
    """
    for name in columns:
        yield from _compare_column(file, name, found["path"], found[name], derived[name], whence)


def _compare_column(
    file: str, name: str, paths: pa.ChunkedArray, found: pa.ChunkedArray, derived: pa.ChunkedArray, whence: str
) -> Iterator[str]:
    one, other = found, derived
    if pa.types.is_list(found.type) or pa.types.is_large_list(found.type):
        # Arrow compares no lists.
        one, other = (join_names(column, "\x1f") for column in (found, derived))
    same = pc.fill_null(pc.equal(one, other.cast(one.type)), False)
    wrong = pc.invert(pc.or_(same, pc.and_(pc.is_null(one), pc.is_null(other))))
    yield from name_rows(
        file,
        pa.table({"path": paths, "found": found, "derived": derived}),
        wrong,
        name,
        lambda row: f"{name} of {row['path']} is {_quote(row['found'])}, {whence} {_quote(row['derived'])}",
    )


def name_rows(
    file: str,
    rows: pa.Table,
    wrong: Any,
    what: str,
    describe: Callable[[dict[str, Any]], str] | None = None,
    path: str = "path",
) -> Iterator[str]:
    """One line for each of the first few wrong rows of a table, then one that counts the others.

    Args:
        file: that holds the table, or should.
        rows: of the table.
        wrong: (rows,) truth values of Arrow or NumPy; null is false. None: all of them.
        what: is wrong.
        describe: says what is wrong with a row; None: its path and ``what``.
        path: column that names a row.
    """
    at = np.arange(len(rows)) if wrong is None else np.flatnonzero(to_mask(wrong))
    if not len(at):
        return  # taking no rows would still join the chunks of every column
    shown = rows.take(pa.array(at[: _SHOWN + 1])).to_pylist()
    for row in shown[:_SHOWN]:
        yield f"{file}: {describe(row) if describe else f'{row[path]} {what}'}"
    if len(at) > _SHOWN:
        yield f"{file}: {what}: and {len(at) - _SHOWN} more rows, the next {shown[_SHOWN][path]}"


def find_missing_paths(here: pa.ChunkedArray, there: pa.ChunkedArray) -> Bools:
    """(rows,) which of ``here`` are not in ``there``."""
    return ~to_mask(pc.is_in(here, value_set=pc.unique(there)))


def align_rows(table: pa.Table, paths: pa.ChunkedArray) -> pa.Table:
    """The rows of ``table`` with these paths, in their order; each must be there once."""
    # As a rule they are in this order already, and nothing need be copied.
    if len(table) == len(paths) and pc.all(pc.equal(table["path"], paths), min_count=0).as_py():
        return table
    return table.take(pc.index_in(paths, value_set=table["path"].combine_chunks()))


def _quote(value: Any) -> str:
    quoted = repr(value)
    return quoted if len(quoted) <= _SHOWN_CHARACTERS else f"{quoted[:_SHOWN_CHARACTERS]}…"
