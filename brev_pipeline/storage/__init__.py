"""Source: where raw images lie, and how their bytes are had.

A configured bucket is a *place*: a folder of this machine, or a prefix of an S3 bucket. `Sources` knows the places
of a configuration and reads from them; it is the `Fetcher` that the stages are handed. Everything that talks to S3
goes through `S3Client`, so that credentials, patience with a busy server and the wording of errors are in one place.
"""

from brev_pipeline.storage.places import LocalPlace, Place, S3Place
from brev_pipeline.storage.sources import Sources

__all__ = ["LocalPlace", "Place", "S3Place", "Sources"]
