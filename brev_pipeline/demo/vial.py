"""Vial: the layers of one vial, put over a picture in the order in which light passes them."""

import numpy as np

from brev_pipeline.demo import cap, contents, label, scene, stopper
from brev_pipeline.demo.exact import Field, over
from brev_pipeline.demo.frame import Frame
from brev_pipeline.demo.glass import glass_of, in_mouth, on_glass, through_glass
from brev_pipeline.demo.item import Item


def stand(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    """The picture with the item standing in it."""
    picture = scene.contact(picture, frame)
    glass = glass_of(frame)
    inside = through_glass(picture, frame, glass)
    inside = contents.fill(inside, picture, frame, item, turn)
    if item.fault != "open":
        inside = stopper.plug(inside, frame, item, _lift(item))
    inside = cap.shade(inside, frame, item) if item.fault not in ("open", "stoppered") else inside
    inside = on_glass(inside, item, glass, turn)
    if item.labelled:
        inside = label.put_on(inside, frame, item, turn)
    return _closed(over(picture, inside, glass.coverage), frame, item, turn)


def _closed(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    if item.fault == "open":
        return in_mouth(picture, frame)
    if item.fault == "stoppered":
        return stopper.head(in_mouth(picture, frame), frame, item, _lift(item))
    return cap.put_on(picture, frame, item, turn)


def _lift(item: Item) -> float:
    """How far the stopper stands out, mm: a bare one may be pushed in only half."""
    return 4.2 * item.severity if item.fault == "stoppered" and item.side > 0 else 0.0
