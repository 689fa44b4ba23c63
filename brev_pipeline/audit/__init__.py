"""Audit: does the store still hold what was published, where does a record come from, and what may go?

`verify_store` computes every hash, count, assignment and claim of published versions anew, `verify_folder` does so
for a version's folder copied anywhere, `remake` makes records again from the raw images, `trace_record` and
`trace_image` tell where a record comes from, and `find_garbage` lists what nothing needs any more. Nothing in this room
writes to a published version; the one way to remove one, `remove_version`, goes on record first.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brev_pipeline.audit.deep_verification import Remade, remake
    from brev_pipeline.audit.garbage import Garbage, GarbageRules, find_garbage, remove_garbage
    from brev_pipeline.audit.removals import Removal, Removals, remove_version
    from brev_pipeline.audit.trace import trace_image, trace_record
    from brev_pipeline.audit.verification import StoreVerification, Verification
    from brev_pipeline.audit.verify import verify_folder, verify_store, verify_version

_HOMES = {
    "Garbage": "garbage",
    "GarbageRules": "garbage",
    "Remade": "deep_verification",
    "Removal": "removals",
    "Removals": "removals",
    "StoreVerification": "verification",
    "Verification": "verification",
    "find_garbage": "garbage",
    "remake": "deep_verification",
    "remove_garbage": "garbage",
    "remove_version": "removals",
    "trace_image": "trace",
    "trace_record": "trace",
    "verify_folder": "verify",
    "verify_store": "verify",
    "verify_version": "verify",
}

__all__ = [
    "Garbage",
    "GarbageRules",
    "Remade",
    "Removal",
    "Removals",
    "StoreVerification",
    "Verification",
    "find_garbage",
    "remake",
    "remove_garbage",
    "remove_version",
    "trace_image",
    "trace_record",
    "verify_folder",
    "verify_store",
    "verify_version",
]


def __getattr__(name: str) -> Any:
    # Each part needs other rooms; whoever wants one of them does not pay for all.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
