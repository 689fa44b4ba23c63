"""Foresee: the faults of the split that paths and configuration alone show, told before a pixel is read.

What is raised is what the split itself would raise. What hangs on contents (copies, items that are named by their
content) is left to it.
"""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.split.given import find_given
from brev_pipeline.split.given_names import GivenFiles
from brev_pipeline.split.keys import Spec, find_key
from brev_pipeline.split.layout import lay_out
from brev_pipeline.split.ledger import match_known, purpose_codes, rules_of
from brev_pipeline.split.usable import USABLE


def foresee_split(
    listing: pa.Table,
    settings: SplitSettings,
    known: pa.Table | None = None,
    given: GivenFiles | None = None,
    ledger: pa.Table | None = None,
) -> None:
    """Refuse a listing that cannot be divided as asked, as far as its paths show it.

    Args:
        listing: `tables.RAW_LISTING`, or some of its columns. Files of no bytes do not count: they are in no split.
        settings: of the split.
        known: further known assignments, as from `read_known_assignments`.
        given: the files of `split.given`, as `read_given` reads them.
        ledger: assignments of the newest published version: columns `ledger_columns`.

    Raises:
        SplitError: a pattern or a column cannot be used, a path has no key, all images are one item; what is given has
            words of no purpose; or the ledger or the known assignments hold what the configuration does not have.
    """
    rules, names = rules_of(settings), settings.names
    for spec, name in ((rules.stratification, "stratification"), (rules.uniqueness, "uniqueness")):
        if spec:
            find_key(USABLE.empty_table(), spec, name)
    if ledger is not None:
        purpose_codes(ledger["purpose"], names, "the ledger")
    samples = listing.filter(pc.greater(listing["size"], 0))
    samples = samples.select([name for name in USABLE.names if name in samples.column_names])
    if not len(samples):
        return
    by_paths = _is_there(rules.uniqueness, samples)
    rules = replace(
        rules,
        # Each image stands for an item where only contents name one.
        uniqueness=rules.uniqueness if by_paths else ["path"],
        stratification=rules.stratification if _is_there(rules.stratification, samples) else None,
        copies=(),
    )
    layout = lay_out(samples, rules)
    find_given(samples, settings, given, layout.item if by_paths else None)
    if known is None:
        return
    there = [*samples.column_names, *(["item", "stratum"] if by_paths else ["stratum"])]
    later = {"item", "stratum", *USABLE.names} - set(there)
    if set(known.column_names) & later:
        purpose_codes(known["purpose"], names, "the file of known assignments")
    else:
        match_known(known, samples, layout, names, ledger)


def _is_there(spec: Spec | None, samples: pa.Table) -> bool:
    columns: Sequence[str] = [] if spec is None or isinstance(spec, str) else spec
    return set(columns) <= set(samples.column_names)
