"""One image that may be the death of its decoder, alone in a fresh process, whose end tells what the image is.

A worker that dies takes a chunk of images with it, and nobody knows on which, or whether what killed it had to do with
any (a machine without memory, an operator). So an image that was under way each time is tried once more by itself,
where nothing else runs. What its process ends by is then its own doing, or somebody else's, and can be told apart:

* the signals of a crash, and that of the clock: the image is ``stopped``, and the shelf remembers it;
* anything else, be it SIGKILL, SIGTERM or too long a wait: ``interrupted``, which the next run tries again.

The process is an engine's worker, wherever the image was tried before: so the end of one that Ray started is told as
well, and it ends with the one that waits for it.
"""

import logging
from dataclasses import dataclass, field

from brev_pipeline.config import ImageSettings
from brev_pipeline.engine import LocalEngine, LostTask
from brev_pipeline.images.chunk import Prepared, prepare_row, refused
from brev_pipeline.images.limits import decoding_limits
from brev_pipeline.images.stops import classify_loss
from brev_pipeline.source_base import SourceRow

_ALONE_LOG = logging.getLogger(__name__)


def longest_wait(settings: ImageSettings) -> float:
    """Seconds after which a process that waits rather than computes is ended; so much slower may a busy machine be."""
    return 60 + 10 * settings.max_seconds


def prepare_alone(source: SourceRow, data: bytes, settings: ImageSettings) -> Prepared:
    """As `prepare_row`, in a process of its own; one that dies gives a row ``stopped`` or ``interrupted``.

    Raises:
        BrevPipelineError: a roi lies outside, and the settings call that an error; no process can be started.
    """
    tries = LocalEngine(1).map(
        _Alone(data, settings), [source], lost="yield", task_timeout=longest_wait(settings), tries=1
    )
    ((_, found),) = tries
    if not isinstance(found, LostTask):
        return found
    _ALONE_LOG.warning("%s: decoding it alone: %s", source.path, found.reason)
    return refused(source, *classify_loss(found, settings)), None


@dataclass(frozen=True)
class _Alone:
    data: bytes = field(repr=False)
    settings: ImageSettings

    def __call__(self, source: SourceRow) -> Prepared:
        import_decoders()
        with decoding_limits(self.settings.max_pixels):
            return prepare_row(source, self.data, self.settings)


def import_decoders() -> None:
    """Import all that decoding imports when it is first used, so that an image's clock does not pay for it."""
    import cv2  # noqa: F401
    import imagecodecs
    import numpy.ma  # noqa: F401
    import simplejpeg  # noqa: F401
    from PIL import Image

    Image.init()
    for codec in ("png", "deflate", "jpeg2k", "lzw", "zstd"):
        getattr(imagecodecs, f"{codec}_decode")
