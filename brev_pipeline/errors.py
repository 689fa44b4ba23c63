"""The house's exceptions: one family, so that a caller can catch everything that is ours with one name.

A message says what is wrong, where (file, YAML key, asset), and what to do about it.
"""


class BrevPipelineError(Exception):
    """Base of every error that this package raises on purpose."""

    passing: bool = False
    """Whether the same may succeed a little later without anybody's doing: a network that is down, a busy store."""

    def __init__(self, *args: object, passing: bool = False) -> None:
        super().__init__(*args)
        self.passing = passing

    @property
    def may_pass(self) -> bool:
        """Whether this error is passing, or was raised because of one of ours that is."""
        error: BaseException | None = self
        while isinstance(error, BrevPipelineError):
            if error.passing:
                return True
            error = error.__cause__
        return False


class ConfigError(BrevPipelineError):
    """A configuration file cannot be used; the message lists every problem with its YAML path."""


class ListingError(BrevPipelineError):
    """A dataset cannot be listed: missing, unreadable, or empty."""


class _ImageError(BrevPipelineError):
    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class SourceError(_ImageError):
    """A raw image cannot be fetched; ``status`` says how (``missing`` or ``changed``)."""


class DecodeError(_ImageError):
    """Bytes are not an image that we accept; ``status`` is ``corrupt``, ``unsupported`` or ``too_large``."""


class LabelError(BrevPipelineError):
    """Labels are not what can be used; the message names the source, the file, and the line or element in it."""


class SplitError(BrevPipelineError):
    """Samples cannot be divided as asked: a bad pattern, a missing column, an unusable key."""


class SamplingError(BrevPipelineError):
    """Sampling weights cannot be computed, for example because a group would weigh nothing."""


class AugmentError(BrevPipelineError, ValueError):
    """An image, its labels, a seed or a part of the augmentation is not what can be augmented."""


class ShardError(BrevPipelineError):
    """A shard cannot be written or read back as it was recorded."""


class ReadError(BrevPipelineError):
    """Records cannot be read as asked: there is no such version, purpose, epoch or field."""


class StoreError(BrevPipelineError):
    """The store cannot be read or written, or holds something other than was recorded."""


class EngineError(BrevPipelineError):
    """A task of a parallel stage failed for good; the message names the task."""
