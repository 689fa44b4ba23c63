"""Defect: which pixels of a photo an item's fault changed, from the shapes and places that the photo is drawn with.

These are those in which the closure stands, those in which a sound one would, and the neck below as far as a cap's
shadow or the stopper reaches; of a dent only what is crushed. The camera spreads all of it as it spreads the photo.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from brev_pipeline.demo.items import Item, Shot
from brev_pipeline.demo.optics import HEIGHT, WIDTH, Field, Frame, place_frame
from brev_pipeline.demo.photo import spread_light
from brev_pipeline.demo.vial import (
    find_button,
    find_glass,
    find_head,
    find_plug,
    find_seal,
    reach_plug,
    reach_shaft,
    seat_cap,
    shade_neck,
)  # fmt: skip

_SUNK: Final = 0.05  # mm, a fifth of a pixel: where the cap sank by more, the dent is seen
_SHADE: Final = 0.05  # share of the light: differences of shadow that are seen
_SEEN: Final = 0.05  # share of a pixel, after lens and shutter


def find_defect(item: Item, shot: Shot) -> NDArray[np.bool_]:
    """The pixels of the item's photo that its fault changed, (height, width); none without a fault."""
    if item.fault == "none":
        return np.zeros((HEIGHT, WIDTH), np.bool_)
    seen: NDArray[np.bool_] = spread_light(_cover_defect(item, shot)[None], shot)[0] > _SEEN
    return seen


def _cover_defect(item: Item, shot: Shot) -> Field:
    """Share of each pixel that the item's fault changes, before the camera."""
    frame = place_frame(shot.x, shot.y, shot.lean, shot.scale, WIDTH)
    pair = [(own, seat_cap(frame, own)) for own in (item, replace(item, fault="none"))]
    closure = np.maximum(*(_cover_closure(frame, cap, own) for own, cap in pair))
    if item.fault == "dented":
        (_, cap), (_, sound) = pair
        return np.asarray(closure * (np.abs(cap.y - sound.y) > _SUNK))
    shades = [shade_neck(cap) * own.has_cap for own, cap in pair]
    plugs = [_cover_plug(frame, own) for own, _ in pair]
    neck = np.maximum(np.abs(shades[0] - shades[1]) > _SHADE, np.abs(plugs[0] - plugs[1]))
    return np.maximum(closure, neck * find_glass(frame).coverage)


def _cover_closure(frame: Frame, cap: Frame, item: Item) -> Field:
    """Share of each pixel that the item's cap covers, or the head of its bare stopper."""
    if item.fault == "open":
        return np.zeros_like(frame.u)
    if not item.has_cap:
        head, top = find_head(frame, item)
        shaft = find_plug(frame, *reach_shaft(item)).coverage * (item.lift > 0)
        return np.maximum(np.maximum(head.coverage, top.coverage), shaft)
    side, top = find_button(cap)
    return np.maximum(find_seal(cap, item).coverage, np.maximum(side.coverage, top.coverage))


def _cover_plug(frame: Frame, item: Item) -> Field:
    return find_plug(frame, *reach_plug(item)).coverage if item.fault != "open" else np.zeros_like(frame.u)
