"""The store: where results lie. Append-only; see `Folder` for how files appear whole or not at all."""

from brev_pipeline.store.folder import Folder

__all__ = ["Folder"]
