"""`ImagePipeline`: the whole of preparing as one object, for notebooks and for the stage alike."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from brev_pipeline.config import ImageSettings
from brev_pipeline.errors import ConfigError, DecodeError
from brev_pipeline.images.decoding import decode_image
from brev_pipeline.images.geometry import arrange_regions
from brev_pipeline.rescaling import Rescale, check_rescale, rescale_factors


class ImagePipeline:
    """From the bytes of an image file to the pixels that are trained on.

    `prepare` is a pure function of the bytes and the settings: the same pixels on every machine. Calling the
    object prepares a sample, or a batch of samples, for training.

    Args:
        settings: all settings at once, or target_size alone; default: those given by name.
        rescale: None (uint8, 0..255), ``"unit"`` (float32, 0..1), ``"imagenet"`` (float32, -1..1) or
            ``"imagenet_stats"``, see `rescaling.rescale_factors`. Used by a call only; what is stored is always uint8.
        path_key: the sample's column with the image's path.
        output_key: the column that a call adds.
        read: bytes of a path; default: a local file, or any address that fsspec knows.
        **fields: fields of `ImageSettings`, for example ``target_size=(128, 128)``.

    Raises:
        ConfigError: a field is unknown or has a value that it may not have.
    """

    def __init__(
        self,
        settings: ImageSettings | tuple[int, int] | None = None,
        *,
        rescale: Rescale = None,
        path_key: str = "path",
        output_key: str = "img",
        read: Callable[[str], bytes] | None = None,
        **fields: Any,
    ) -> None:
        if isinstance(settings, (tuple, list)):
            settings, fields = None, {"target_size": settings, **fields}
        if settings is not None and fields:
            raise ConfigError(f"ImagePipeline: give settings or {', '.join(fields)}, not both")
        check_rescale(rescale)
        self.settings = settings or _make_settings(fields)
        self.rescale = rescale
        self.path_key = path_key
        self.output_key = output_key
        self._read = read or _read_path

    def __repr__(self) -> str:
        given = self.settings.model_dump(exclude_defaults=True)
        return f"ImagePipeline({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def prepare(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Decode, cut, resize and pad one image.

        Args:
            data: the bytes of an image file.

        Returns:
            uint8, 0..255, C-contiguous: (height, width, channels), with roi_mode as_timeseries
            (frames, height, width, channels); 3 channels (RGB), 1 for greyscale.

        Raises:
            DecodeError: the image is damaged, of a kind that is not read, too large, or a roi lies outside.
        """
        return arrange_regions(decode_image(data, self.settings).pixels, self.settings)

    def __call__(self, sample: Mapping[str, Any], *_: object, **__: object) -> dict[str, Any]:
        """Add the prepared image to a sample, or the stacked images to a batch of samples.

        Args:
            sample: columns; `path_key` holds a path, or a sequence of paths. Further arguments, such as a
                generator's seed, are accepted and not needed: nothing is drawn here.

        Returns:
            A copy with `output_key` added: an image as from `prepare`, rescaled; for a batch with one axis more
            in front.

        Raises:
            DecodeError: an image cannot be used; the message names its path.
            SourceError: a path is no regular file, or one of more than 512 MB.
            ConfigError: the images of a batch differ in size; give target_size.
        """
        paths = sample[self.path_key]
        if isinstance(paths, (str, bytes, np.str_, np.bytes_)):
            return {**sample, self.output_key: self._load(paths)}
        images = [self._load(path) for path in np.asarray(paths).ravel().tolist()]
        if len({image.shape for image in images}) > 1:
            raise ConfigError("ImagePipeline: the images of this batch differ in size: give target_size")
        return {**sample, self.output_key: np.stack(images)}

    def _load(self, path: str | bytes) -> npt.NDArray[Any]:
        name = path.decode() if isinstance(path, bytes) else str(path)
        try:
            pixels = self.prepare(self._read(name))
        except DecodeError as error:
            raise DecodeError(error.status, f"{name}: {error}") from error
        factors = rescale_factors(self.rescale, pixels.shape[-1])
        return pixels if factors is None else pixels * factors[0] + factors[1]


def _make_settings(fields: dict[str, Any]) -> ImageSettings:
    """Settings from a notebook's keyword arguments, in the reference's spellings too."""
    fields = dict(fields)
    if fields.get("target_size") is not None and len(fields["target_size"]) == 0:
        fields["target_size"] = None
    if fields.get("rois") is None:
        fields.pop("rois", None)
    elif np.ndim(fields["rois"]) == 2:
        fields["rois"] = [fields["rois"]]
    for name in ("padding_mode", "resize_method"):
        if isinstance(fields.get(name), str):
            fields[name] = fields[name].lower()
    try:
        return ImageSettings(**fields)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe_problem(detail) for detail in error.errors())) from error


def _describe_problem(detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    text = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        text = f"unknown; known are {', '.join(ImageSettings.model_fields)}, rescale, path_key, output_key, read"
    return f"ImagePipeline: {where}: {text}" if where else f"ImagePipeline: {text}"


def _read_path(path: str) -> bytes:
    if "://" not in path:
        from brev_pipeline.storage.local_files import read_any_file

        return read_any_file(path)
    import fsspec

    with fsspec.open(path, "rb") as file:
        data: bytes = file.read()
        return data
