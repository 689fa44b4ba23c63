"""Derivation: what a version claims, derived anew from what it holds.

A version whose hashes are all right can still be wrong: made with another configuration than its manifest names, or
rewritten from end to end by somebody who recomputed every hash. So everything that follows from something else in the
version is derived again, by the code that made it, and each contradiction is named with its path.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from brev_pipeline.audit.derived_images import image_contradictions
from brev_pipeline.audit.derived_listing import (
    identity_contradictions,
    left_out_contradictions,
    listing_contradictions,
)
from brev_pipeline.audit.derived_manifest import (
    configuration_contradictions,
    consumer_contradictions,
    label_contradictions,
    recipe_contradictions,
)
from brev_pipeline.audit.derived_rules import rule_contradictions
from brev_pipeline.audit.derived_split import (
    ledger_contradictions,
    ledger_file_contradictions,
    split_contradictions,
)
from brev_pipeline.audit.table_checks import Tables
from brev_pipeline.audit.version_claims import (
    DERIVATION_ERRORS,
    Contradiction,
    Derivation,
    Finding,
    KnownFiles,
    VersionClaims,
    read_configuration,
)
from brev_pipeline.errors import BrevPipelineError

_DERIVATIONS: Final[Mapping[str, Derivation]] = {
    "the configuration": configuration_contradictions,
    "the listing": listing_contradictions,
    "identities and copies": identity_contradictions,
    "what the listing left out": left_out_contradictions,
    "the images": image_contradictions,
    "the file of known assignments": ledger_file_contradictions,
    "the split": split_contradictions,
    "the ledger": ledger_contradictions,
    "the label map": label_contradictions,
    "the checks": rule_contradictions,
    "the recipe of the records": recipe_contradictions,
    "the files for other readers": consumer_contradictions,
}


def derive_claims(manifest: Mapping[str, Any], tables: Tables, known: KnownFiles) -> Iterator[Finding]:
    """Everything that a version claims and that does not follow from what it holds; and what is left open.

    Args:
        manifest: of the version, of format `store.versions.DERIVED` or newer.
        tables: all of `table_checks.TABLES`.
        known: what stands outside of the version.
    """
    try:
        config = read_configuration(manifest)
    except DERIVATION_ERRORS as error:
        yield Contradiction(f"manifest.json: its configuration cannot be used, so nothing was derived from it: {error}")
        return
    claims = VersionClaims(manifest, config, tables, known)
    for what, derive in _DERIVATIONS.items():
        try:
            yield from derive(claims)
        except BrevPipelineError as error:
            yield Contradiction(f"{what} cannot be derived from tables and configuration: {error}")
        except DERIVATION_ERRORS as error:
            yield Contradiction(f"{what} cannot be derived: {type(error).__name__}: {error}")


def list_unchecked(known: KnownFiles) -> Iterator[str]:
    """What cannot be derived of any version, where the one before it is not at hand."""
    if known.ledger is None and not known.is_first:
        parent = f"version {known.parent}, the one before," if known.parent else "the version before"
        yield f"continuity with {parent} whose assignments are not at hand; nor could purposes be drawn again"
