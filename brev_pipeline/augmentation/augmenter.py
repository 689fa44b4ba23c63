"""`ImageAugmenter`: draws an image's parameters and applies them part by part; refuses what it cannot augment."""

from collections.abc import Mapping
from operator import index
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from brev_pipeline.augmentation.appearance import add_salt_and_pepper, add_white_noise, apply_colour, apply_filters
from brev_pipeline.augmentation.geometry import (
    AffineMatrix,
    Image,
    affine_matrix,
    displacement_field,
    warp_image,
    warp_labels,
)
from brev_pipeline.augmentation.parameters import (
    PARAMETER_ORDER,
    applied_parameters,
    describe_parameters,
    draw_words,
    plan_parameters,
)
from brev_pipeline.config import AugmentationSettings
from brev_pipeline.errors import AugmentError

Labels = npt.NDArray[Any]

MAX_SIDE: Final = 32766  # px; OpenCV cannot warp more


def _check_seed(seed: int) -> int:
    """The seed as a plain integer in [0, 2**64)."""
    try:
        number = index(seed)
    except TypeError as error:
        raise AugmentError(f"the seed {seed!r} is not an integer") from error
    if not 0 <= number < 2**64:
        raise AugmentError(f"the seed {number} is not in [0, 2**64)")
    return number


def _check_size(height: int, width: int) -> None:
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise AugmentError(f"an image of {height}×{width} px cannot be augmented: a side has 1 to {MAX_SIDE} px")


def _check_image(image: npt.NDArray[Any]) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise AugmentError(f"the image is {kind}, not uint8: augment the prepared pixels, before they are rescaled")
    shape = image.shape
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        raise AugmentError(f"an image of shape {shape} cannot be augmented: (height, width), or with 1 or 3 channels")
    _check_size(shape[0], shape[1])


def _check_labels(labels: Labels, size: tuple[int, ...]) -> None:
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "uib":
        kind = getattr(labels, "dtype", type(labels).__name__)
        raise AugmentError(f"the labels are {kind}, not an array of integers")
    if labels.ndim not in (2, 3) or labels.shape[:2] != size:
        raise AugmentError(
            f"the labels have shape {labels.shape}, the image has {size[0]}×{size[1]} px: both need the same size"
        )


_PARTS: Final = tuple(AugmentationSettings.model_fields)
_REFERENCE_NAMES: Final = {
    "random_transformer": "transform",
    "image_deformation": "deformation",
    "image_filter": "filtering",
    "image_noise": "noise",
}
_MATRIX_PARAMETERS: Final = PARAMETER_ORDER[: PARAMETER_ORDER.index("deformation")]
_LABEL_KEYS: Final = ("segmentation", "annotation")


class ImageAugmenter:
    """Random changes of an image: a pure function of pixels, seed and settings.

    The same image, seed and settings give the same bytes on every x86-64 CPU, in every thread, process and order.
    An augmenter holds nothing but its settings: cheap to make, to pickle, and to share between threads.

    Args:
        settings: the parts; default: the reference's parts and ranges.
        **parts: replace single parts: ``transform``, ``deformation``, ``filtering``, ``noise``, ``salt_and_pepper``.
            None switches a part off. The reference package's names (``random_transformer``, ``image_deformation``,
            ``image_filter``, ``image_noise``) are understood too.

    Raises:
        AugmentError: a part is unknown or cannot be used.
    """

    def __init__(self, settings: AugmentationSettings | None = None, **parts: Any) -> None:
        if settings is None:
            settings = AugmentationSettings()
        if parts:
            renamed = {_REFERENCE_NAMES.get(name, name): part for name, part in parts.items()}
            try:
                settings = AugmentationSettings.model_validate({**dict(settings), **renamed})
            except ValidationError as error:
                raise AugmentError(f"ImageAugmenter cannot be made of these parts: {error}") from error
        self.settings = settings
        self._plan = plan_parameters(settings)

    def __repr__(self) -> str:
        return f"ImageAugmenter({self.settings!r})"

    def parameters(self, seed: int, height: int, width: int) -> dict[str, Any]:
        """What `augment` does to an image of this size with this seed; JSON-safe.

        A parameter's draw depends on the seed and on its own setting, on nothing else.

        Args:
            seed: 0 ≤ seed < 2**64.
            height: of the image, px.
            width: of the image, px.

        Returns:
            ``seed``, ``height``, ``width``, and for each part (None where it is off) its parameters, each with
            ``applied`` (its draw) and ``value`` in the unit of the setting: ``scale`` zoom factor − 1, ``rotate``
            degrees counter-clockwise, ``translate_…`` fractions of the side to the right and down, ``shear`` tangents
            [x by y, y by x], ``emboss`` strengths [right, down], ``brightness`` fraction of full scale, ``contrast``
            and ``saturation`` factors, ``hue`` turns, ``salt_and_pepper`` side of the specks in px. ``transform`` has
            ``matrix`` too: 2×3, from a pixel (x, y) of the result to its place in the image, px, exact.

        Raises:
            AugmentError: the seed or the size is out of range.
        """
        _check_size(height, width)
        seed = _check_seed(seed)
        drawn = draw_words(seed)
        parts = describe_parameters(self._plan, drawn)
        if "transform" in parts:
            parts["transform"]["matrix"] = _make_matrix(applied_parameters(self._plan, drawn), height, width).as_rows()
        return {"seed": seed, "height": int(height), "width": int(width)} | {part: parts.get(part) for part in _PARTS}

    @overload
    def augment(self, image: Image, seed: int, labels: None = None) -> Image: ...

    @overload
    def augment(self, image: Image, seed: int, labels: Labels) -> tuple[Image, Labels]: ...

    def augment(self, image: Image, seed: int, labels: Labels | None = None) -> Image | tuple[Image, Labels]:
        """Augment one image: the same bytes for the same image, seed and settings, always and everywhere.

        Args:
            image: uint8 (height, width), (height, width, 1) or (height, width, 3); never written to.
            seed: 0 ≤ seed < 2**64.
            labels: integers (height, width) or (height, width, c); get the same geometry by nearest neighbour.

        Returns:
            A new C-contiguous uint8 array of the image's shape; with labels a pair, the second a new C-contiguous
            array of the labels' shape and type.

        Raises:
            AugmentError: image, labels or seed are not as above.
        """
        _check_image(image)
        if labels is not None:
            _check_labels(labels, image.shape[:2])
        height, width = image.shape[:2]
        seed = _check_seed(seed)
        applied = applied_parameters(self._plan, draw_words(seed))
        matrix = _make_matrix(applied, height, width)
        field = None
        if "deformation" in applied and (part := self.settings.deformation):
            field = displacement_field(part, seed, height, width)
        # OpenCV drops an axis of length 1: it is taken away here, and put back at the end.
        flat = image.reshape(height, width) if image.shape[2:] == (1,) else image
        pixels = apply_colour(apply_filters(warp_image(flat, matrix, field), applied), applied)
        if "stddev" in applied:
            pixels = add_white_noise(pixels, applied["stddev"], seed)
        if "salt_and_pepper" in applied and (specks := self.settings.salt_and_pepper):
            pixels = add_salt_and_pepper(pixels, specks.fraction, applied["salt_and_pepper"], seed)
        pixels = pixels.reshape(image.shape)
        return pixels if labels is None else (pixels, warp_labels(labels, matrix, field))

    def __call__(self, sample: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """A sample with a new ``img``, and alike a new ``segmentation`` or ``annotation`` where it has one.

        A time series, (frames, height, width, channels), is changed in all its frames alike.
        """
        out = dict(sample)
        if np.ndim(sample["img"]) == 4:
            frames = [self({**sample, "img": frame}, seed) for frame in sample["img"]]
            return {**(frames[0] if frames else out), "img": np.stack([frame["img"] for frame in frames])}
        keys = [key for key in _LABEL_KEYS if key in out]
        for key in keys:
            out["img"], out[key] = self.augment(sample["img"], seed, sample[key])
        if not keys:
            out["img"] = self.augment(sample["img"], seed)
        return out


def _make_matrix(applied: dict[str, Any], height: int, width: int) -> AffineMatrix:
    return affine_matrix(height, width, **{name: applied[name] for name in _MATRIX_PARAMETERS if name in applied})
