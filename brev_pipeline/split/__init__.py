"""Split: who trains and who tests.

An *item* is the physical thing that was photographed, a *stratum* a part of the listing that every purpose must
hold its share of, a *leak group* the images that may never be divided: items, byte copies and pixel copies that
hang together. `select_samples` says which images take part, `assign_purposes` gives every one a purpose, and
`build_split_report` checks the result from the tables alone. The *ledger* is what earlier versions decided; it is kept
for good (`release.assignments`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
