"""`ImageAugmenter`: draws an image's parameters and applies them part by part; refuses what it cannot augment."""

from collections.abc import Mapping
from fractions import Fraction
from operator import index
from typing import Any, Final, get_args, overload

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from brev_pipeline.augmentation.appearance import add_salt_and_pepper, add_white_noise, apply_colour, apply_filters
from brev_pipeline.augmentation.geometry import (
    AffineMatrix,
    Border,
    Image,
    affine_matrix,
    displacement_field,
)
from brev_pipeline.augmentation.movement import ImageMovement
from brev_pipeline.augmentation.parameters import (
    PARAMETER_ORDER,
    applied_parameters,
    describe_parameters,
    draw_words,
    plan_parameters,
)
from brev_pipeline.augmentation.sample_objects import move_objects
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


_PARTS: Final = tuple(name for name in AugmentationSettings.model_fields if name != "min_visible")
_REFERENCE_NAMES: Final = {
    "random_transformer": "transform",
    "image_deformation": "deformation",
    "image_filter": "filtering",
    "image_noise": "noise",
}
_MATRIX_PARAMETERS: Final = PARAMETER_ORDER[: PARAMETER_ORDER.index("deformation")]
_LABEL_KEYS: Final = ("mask", "segmentation", "annotation")
_OBJECTS_KEY: Final = "objects"


class ImageAugmenter:
    """Random changes of an image: a pure function of pixels, seed and settings.

    The same image, seed and settings give the same bytes on every x86-64 CPU, in every thread, process and order.
    An augmenter holds nothing but its settings: cheap to make, to pickle, and to share between threads.

    Args:
        settings: the parts; default: the reference's parts and ranges.
        border: what geometry puts where the image ends: its mirror image, or ``constant``, 0, which images with boxes
            or polygons need, since a mirror shows things that lie in no box.
        **parts: replace single parts: ``transform``, ``deformation``, ``filtering``, ``noise``, ``salt_and_pepper``.
            None switches a part off. ``min_visible`` can be given too. The reference package's names
            (``random_transformer``, ``image_deformation``, ``image_filter``, ``image_noise``) are understood.

    Raises:
        AugmentError: a part is unknown or cannot be used.
    """

    def __init__(
        self, settings: AugmentationSettings | None = None, *, border: Border = "mirror", **parts: Any
    ) -> None:
        if border not in get_args(Border):
            raise AugmentError(f"border is 'mirror' or 'constant', not {border!r}")
        if settings is None:
            settings = AugmentationSettings()
        if parts:
            renamed = {_REFERENCE_NAMES.get(name, name): part for name, part in parts.items()}
            try:
                settings = AugmentationSettings.model_validate({**dict(settings), **renamed})
            except ValidationError as error:
                raise AugmentError(f"ImageAugmenter cannot be made of these parts: {error}") from error
        self.settings = settings
        self.border: Border = border
        self._plan = plan_parameters(settings)
        self._min_visible = Fraction(settings.min_visible)

    def __repr__(self) -> str:
        border = "" if self.border == "mirror" else f", border={self.border!r}"
        return f"ImageAugmenter({self.settings!r}{border})"

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

    def plan_movement(self, seed: int, height: int, width: int, *, border: Border | None = None) -> ImageMovement:
        """What `augment` does to the places of an image of this size with this seed.

        Args:
            seed: 0 ≤ seed < 2**64.
            height: of the image, px.
            width: of the image, px.
            border: instead of the augmenter's own.

        Returns:
            What moves masks, boxes and polygons as the image is moved.

        Raises:
            AugmentError: the seed or the size is out of range.
        """
        _check_size(height, width)
        seed = _check_seed(seed)
        return self._draw_movement(seed, height, width, border or self.border)

    def _draw_movement(self, seed: int, height: int, width: int, border: Border) -> ImageMovement:
        applied = applied_parameters(self._plan, draw_words(seed))
        field = None
        if "deformation" in applied and (part := self.settings.deformation):
            field = displacement_field(part, seed, height, width)
        return ImageMovement(
            height=height,
            width=width,
            matrix=_make_matrix(applied, height, width),
            field=field,
            border=border,
            min_visible=self._min_visible,
            seed=seed,
            parameters=applied,
        )

    @overload
    def augment(
        self, image: Image, seed: int, labels: None = None, *, movement: ImageMovement | None = None
    ) -> Image: ...

    @overload
    def augment(
        self, image: Image, seed: int, labels: Labels, *, movement: ImageMovement | None = None
    ) -> tuple[Image, Labels]: ...

    def augment(
        self, image: Image, seed: int, labels: Labels | None = None, *, movement: ImageMovement | None = None
    ) -> Image | tuple[Image, Labels]:
        """Augment one image: the same bytes for the same image, seed and settings, always and everywhere.

        Args:
            image: uint8 (height, width), (height, width, 1) or (height, width, 3); never written to.
            seed: 0 ≤ seed < 2**64.
            labels: integers (height, width) or (height, width, c); get the same geometry by nearest neighbour.
            movement: what `plan_movement` gave for this seed and size, if it was asked already.

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
        if movement is None:
            movement = self._draw_movement(seed, height, width, self.border)
        elif (movement.seed, movement.height, movement.width) != (seed, height, width):
            raise AugmentError(
                f"the movement was planned for seed {movement.seed} and {movement.height}×{movement.width} px, the "
                f"image has seed {seed} and {height}×{width} px"
            )
        applied = movement.parameters
        # OpenCV drops an axis of length 1: it is taken away here, and put back at the end.
        flat = image.reshape(height, width) if image.shape[2:] == (1,) else image
        pixels = apply_colour(apply_filters(movement.move_image(flat), applied), applied)
        if "stddev" in applied:
            pixels = add_white_noise(pixels, applied["stddev"], seed)
        if "salt_and_pepper" in applied and (specks := self.settings.salt_and_pepper):
            pixels = add_salt_and_pepper(pixels, specks.fraction, applied["salt_and_pepper"], seed)
        pixels = pixels.reshape(image.shape)
        return pixels if labels is None else (pixels, movement.move_mask(labels))

    def __call__(self, sample: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """A sample with a new ``img``, and alike a new ``mask``, ``segmentation`` or ``annotation`` (integers) and new
        ``objects`` where it has them.

        A time series, (frames, height, width, channels), is changed in all its frames alike; a mask of it is one for
        all frames, or has as many. ``objects`` are described in `sample_objects.move_objects`; with them the border is
        constant.

        Raises:
            AugmentError: a part of the sample is not what can be augmented.
        """
        out, image = dict(sample), sample["img"]
        is_series = np.ndim(image) == 4
        frames = list(image) if is_series else [image]
        if not frames:
            return out
        _check_image(frames[0])
        height, width = frames[0].shape[:2]
        has_objects = out.get(_OBJECTS_KEY) is not None
        movement = self.plan_movement(seed, height, width, border="constant" if has_objects else None)
        changed = [self.augment(frame, seed, movement=movement) for frame in frames]
        out["img"] = np.stack(changed) if is_series else changed[0]
        for key in _LABEL_KEYS:
            if key in out:
                out[key] = _move_labels(movement, out[key], len(frames) if is_series else None)
        if has_objects:
            out[_OBJECTS_KEY] = move_objects(out[_OBJECTS_KEY], movement)
        return out


def _move_labels(movement: ImageMovement, labels: Labels, frames: int | None) -> Labels:
    size = movement.height, movement.width
    if frames and isinstance(labels, np.ndarray) and labels.shape[1:3] == size and len(labels) == frames:
        return np.stack([_move_labels(movement, frame, None) for frame in labels])
    _check_labels(labels, size)
    return movement.move_mask(labels)


def _make_matrix(applied: dict[str, Any], height: int, width: int) -> AffineMatrix:
    return affine_matrix(height, width, **{name: applied[name] for name in _MATRIX_PARAMETERS if name in applied})
