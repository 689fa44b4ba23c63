"""Vial: the layers of one vial, laid over a picture in the order in which light passes them."""

from brev_pipeline.demo import cap, contents, label, scene, stopper
from brev_pipeline.demo.exact import Field, over
from brev_pipeline.demo.frame import Frame, box, frame_of
from brev_pipeline.demo.glass import glass_of, in_mouth, on_glass, through_glass
from brev_pipeline.demo.item import Item, Shot


def stand(picture: Field, item: Item, shot: Shot) -> Field:
    """The picture with the item standing in it as the shot has it."""
    height, width = picture.shape[-2:]
    frame = frame_of(shot, height, width)
    picture = scene.contact(picture, frame)
    placed = picture.copy()
    # Only the parts of the photo that a layer can reach are computed.
    body = box(shot, width, -5, 57, 18)
    placed[:, *body] = _body(picture, picture[:, *body], frame.part(*body), item, shot.turn)
    closure = box(shot, width, 44, 69, 16)
    placed[:, *closure] = _closed(placed[:, *closure], frame.part(*closure), item, shot.turn)
    return placed


def _body(behind: Field, here: Field, frame: Frame, item: Item, turn: float) -> Field:
    """The part ``here`` of the picture ``behind``, with the glass and what is in and on it."""
    glass = glass_of(frame)
    inside = through_glass(behind, frame, glass)
    inside = contents.fill(inside, behind, frame, item, turn)
    if item.fault != "open":
        inside = stopper.plug(inside, frame, item, _lift(item))
    if item.capped:
        inside = cap.shade(inside, frame, item)
    inside = on_glass(inside, item, glass, turn)
    if item.labelled:
        inside = label.put_on(inside, frame, item, turn)
    return over(here, inside, glass.coverage)


def _closed(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    if item.capped:
        return cap.put_on(picture, frame, item, turn)
    picture = in_mouth(picture, frame)
    return picture if item.fault == "open" else stopper.head(picture, frame, item, _lift(item))


def _lift(item: Item) -> float:
    """How far the stopper stands out, mm: a bare one may be pushed in only half."""
    return 4.2 * item.severity if item.fault == "stoppered" and item.side > 0 else 0.0
