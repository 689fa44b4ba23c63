"""Photo: one item in one shot, in front of the machine and its neighbours on the conveyor."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from brev_pipeline.demo import scene
from brev_pipeline.demo.camera import expose
from brev_pipeline.demo.draws import Draws
from brev_pipeline.demo.exact import Field, blur
from brev_pipeline.demo.frame import WIDTH
from brev_pipeline.demo.item import Item, Shot, draw_item, draw_shot
from brev_pipeline.demo.vial import stand

_PLATES: Final = 6  # different rows of neighbours


def photograph(item: Item, shot: Shot) -> NDArray[np.uint8]:
    """The photo of an item: 320 × 240 × 3, red first; equal arguments give equal pixels on every machine."""
    plate = item.draws.pick(range(_PLATES), "plate")
    left = scene.MARGIN + round(shot.x * -0.6)
    behind = _plate(item.draws.seed, plate)[:, :, left : left + WIDTH]
    light = stand(behind, item, shot)
    return expose(scene.mirrored(light, scene.foot_of(shot.y)), shot)


@lru_cache(maxsize=_PLATES)
def _plate(seed: int, number: int) -> Field:
    """The machine with the item's neighbours left and right, farther back and out of focus."""
    draws = Draws(seed, ("plate", number))
    picture = scene.machine(Draws(seed, ("machine",)))
    for place in (-1, 1):
        picture = _neighbour(picture, draws.about(place), place)
    return blur(picture, 2, 2)


def _neighbour(picture: Field, draws: Draws, place: int) -> Field:
    item = draw_item(draws, "none")
    shot = replace(draw_shot(draws), x=place * draws.near(132, 5, "distance"), y=-13.0, scale=3.75, lean=0.0, turn=0.0)
    return stand(picture, item, shot)
