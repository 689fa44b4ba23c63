"""Audit: does the store still hold what was published, where does a record come from, and what may go?

`verify_store` computes every hash, count, assignment and claim of published versions anew, `verify_folder` does so
for a version's folder copied anywhere, `remake` makes records again from the raw images, `trace_record` and
`trace_image` tell where a record comes from, and `find_garbage` lists what nothing needs any more. Nothing in this room
writes to a published version; the one way to remove one, `remove_version`, goes on record first.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
