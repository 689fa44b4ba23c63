"""The store: where results lie. Append-only, on a local disk or on S3.

`Folder` knows how a file appears whole or not at all, `Version` what an immutable version is, `Publications`
the log of them, and `PipelineStore` where all of it lies.
"""

from brev_pipeline.store.folder import Folder
from brev_pipeline.store.parquet import StoredTable
from brev_pipeline.store.pipeline_store import PipelineStore
from brev_pipeline.store.publications import Publication, Publications
from brev_pipeline.store.versions import Version
from brev_pipeline.store.witness_log import WitnessLog

__all__ = ["Folder", "PipelineStore", "Publication", "Publications", "StoredTable", "Version", "WitnessLog"]
