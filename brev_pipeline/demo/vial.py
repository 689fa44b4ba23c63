"""Vial: the parts of one vial, painted over a picture in the order in which light passes them.

Every part is a solid of revolution: an outline in mm, seen from the side and from above, and what its material makes
of the light.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from brev_pipeline.demo.items import Item, Shot
from brev_pipeline.demo.optics import (
    FOOT,
    Face,
    Field,
    Frame,
    Side,
    bell_curve,
    blend_over,
    light_matt,
    make_colour,
    make_normal,
    place_frame,
    reflect_hall,
    reflect_lamps,
    reflect_share,
    sample_at,
    smooth_step,
    soft_band,
)

# mm: radii, and heights above the vial's foot.
_BODY, _INNER, _BORE, _PLUG, _HEAD, _SEAL, _BUTTON = 15.0, 13.9, 6.3, 6.6, 9.4, 10.65, 10.75
_FLOOR, _PLUG_FOOT, _CRIMP, _TOP = 1.7, 45.5, 48.0, 55.0  # the crimp: where the seal is rolled in under the lip
_SEAL_TOP, _BUTTON_TOP = _TOP + 0.9, _TOP + 3.2
_GLASS: Final = [
    (0, 12.6), (0.6, 14.0), (2.2, 15.0), (32.4, 15.0), (35.6, 13.6), (39.2, 9.6), (41.5, 8.3),
    (50.0, 8.3), (51.2, 9.8), (52.0, 10.2), (54.2, 10.2), (_TOP, 9.6),
]  # fmt: skip
_LABEL: Final = [(4.2, _BODY), (18.8, _BODY)]
_LABEL_SHARE: Final = 0.74  # of the way round
_PRINT: Final = (117, 556)  # px of the label's print, 8 per mm
_PRINTED: Final = {"saline": "SALINE", "serum": "SERUM B"}


def paint_vial(picture: Field, item: Item, shot: Shot) -> Field:
    """The picture with the item standing in it as the shot has it."""
    width, middle = picture.shape[2], picture.shape[2] / 2 + shot.x
    frame = place_frame(shot.x, shot.y, shot.lean, shot.scale, width)
    near = (frame.u / 19) ** 2 + ((frame.y + 0.7) / 3.4) ** 2
    picture = picture * (1 - 0.72 * smooth_step(1.25, 0.25, near))  # its shadow on the conveyor
    # Only what a vial can reach is computed: 18 mm to either side; above 43 mm for its closure.
    left, right = (max(0, min(width, int(middle + reach * shot.scale))) for reach in (-18, 18))
    body, closure = np.s_[:, left:right], np.s_[: int(FOOT + shot.y - 43 * shot.scale), left:right]
    out, frame, cap = picture.copy(), frame.cut_out(body), seat_cap(frame, item).cut_out(body)
    glass = find_glass(frame)
    inside = _refract(picture, frame, glass)
    is_cake = item.product == "powder"
    inside = _paint_cake(inside, frame, item, shot.turn) if is_cake else _paint_liquid(inside, picture, frame, item)
    if item.fault != "open":
        inside = _paint_plug(inside, frame, item, *reach_plug(item))
    if item.has_cap:
        inside = inside * (1 - shade_neck(cap))
    inside = _add_shine(inside, item, glass, shot.turn)
    if item.labelled:
        inside = _paint_label(inside, frame, item, shot.turn)
    out[:, *body] = blend_over(out[:, *body], inside, glass.coverage)
    top, frame, cap = out[:, *closure], frame.cut_out(closure[:1]), cap.cut_out(closure[:1])
    top = _paint_seal(top, cap, item, shot.turn) if item.has_cap else _paint_mouth(top, frame)
    if item.has_cap:
        top = _paint_button(top, cap, make_colour(*item.button))
    elif item.fault != "open":
        top = _paint_head(top, frame, item)
    out[:, *closure] = top
    return out


def find_glass(frame: Frame) -> Side:
    """The vial itself."""
    return frame.find_side(_GLASS, 10)


def _refract(picture: Field, frame: Frame, glass: Side) -> Field:
    """The picture behind, as the empty vial's walls bend and dim it."""
    n, s, edge = glass.normal, glass.across, np.abs(glass.across)
    behind = sample_at(picture, frame.row + 26 * n.y, frame.column - 5 * frame.scale * s**5 + 14 * n.y * s)
    wall = 0.90 - 0.74 * smooth_step(0.84, 0.985, edge) + 0.30 * soft_band(0.905, 0.945, 0.03, edge)
    shoulder = 1 - 0.62 * smooth_step(0.10, 0.75, np.abs(n.y))
    green = 1 - make_colour(0.10, 0.02, 0.05) * smooth_step(0.6, 1, edge)
    return np.asarray(behind * (wall * shoulder * green) + make_colour(0.010, 0.014, 0.015))


def _paint_liquid(picture: Field, behind: Field, frame: Frame, item: Item) -> Field:
    level, tint = item.fill, make_colour(*item.tint)
    body, surface = frame.find_side([(_FLOOR, _INNER), (level, _INNER)]), frame.find_face(_INNER, level)
    # A full cylinder is a strong lens: it shows the scene mirrored, squeezed, and dark at its sides.
    lens = sample_at(behind, frame.row, frame.column - 2.3 * frame.scale * frame.u)
    lens = lens * (0.93 - 0.75 * smooth_step(0.72, 0.98, np.abs(body.across)))
    lens = lens * (1 + 0.22 * bell_curve(body.across, 0.45, 0.22) + 0.12 * bell_curve(body.across, -0.6, 0.15))
    picture = blend_over(picture, lens * (1 - (1 - tint) * body.normal.z), body.coverage)
    # Its surface, seen from above, mirrors what lies behind it, most at the far side.
    mirror = sample_at(behind, frame.row + 2 * frame.scale * (frame.y - level), frame.column)
    mirror = mirror * tint * (0.55 + 0.65 * smooth_step(-1, 1, surface.far))
    picture = blend_over(picture, mirror, surface.coverage)
    # Where it climbs the wall it catches the light, above a dark line.
    meniscus = 0.28 * bell_curve(body.height, level + 0.25, 0.28) - 0.22 * bell_curve(body.height, level - 0.45, 0.35)
    return picture + meniscus * frame.cover_edge(_INNER - np.abs(frame.u))


def _paint_cake(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    """A freeze-dried cake: shrunk from the wall, higher on one side, cracked."""

    def find_pattern(name: str, radius: int, y: Field, x: Field) -> Field:
        return sample_at(item.draws.draw_noise((160, 160), name, radius), y + 40, x + 80)

    draws = item.draws
    radius = _INNER - 0.25 - draws.draw_between(0, 0.6, "shrunk")
    uneven = frame.u * (draws.draw_near(0, 0.035, "slope") + frame.u * draws.draw_near(0, 0.003, "bow"))
    frame = replace(frame, y=frame.y - uneven * smooth_step(0, item.fill, frame.y))
    side, top = frame.find_side([(_FLOOR - 0.2, radius), (item.fill, radius)]), frame.find_face(radius, item.fill)
    around = side.across + turn
    rough = find_pattern("side", 2, side.height * 4, around * 55)
    blotch = find_pattern("blotch", 8, side.height * 3, around * 45)
    crack = smooth_step(0.0, 0.30, np.abs(find_pattern("crack", 5, side.height * 2, around * 40)))
    shade = light_matt(side.normal) * (1 + 0.07 * rough + 0.05 * blotch) * (0.84 + 0.16 * crack)
    shade = shade * (0.72 + 0.28 * smooth_step(1.2, 5.0, side.height))
    picture = blend_over(picture, shade * make_colour(0.93, 0.92, 0.88), side.coverage)
    light = 0.92 + 0.10 * top.far + 0.06 * find_pattern("top", 2, frame.y * 18, frame.u * 4)
    light = light - 0.12 * smooth_step(0.75, 1.0, np.abs(frame.u) / radius)
    return blend_over(picture, light * make_colour(0.95, 0.94, 0.91), top.coverage)


def _add_shine(picture: Field, item: Item, glass: Side, turn: float) -> Field:
    """The picture with what the glass mirrors, and with its two to five scratches, added."""
    n, rim = glass.normal, reflect_share(glass.normal)
    shine = reflect_lamps(n, 0.05) * (0.42 + rim) * make_colour(0.97, 1.0, 1.03) + reflect_hall(n) * rim
    # The thick foot gathers light in a bright line above a dark one.
    foot = bell_curve(glass.height, 1.5, 0.45) * 0.32 - bell_curve(glass.height, 0.3, 0.5) * 0.10
    shine = shine + foot * (1 - np.abs(glass.across) * 0.6)
    for number in range(2 + int(item.draws.draw_between(0, 4, "marks"))):
        draws = item.draws.narrow_to("mark", number)
        along = glass.height - draws.draw_between(4, 32, "middle")
        length, place = draws.draw_between(0.5, 3.5, "length"), draws.draw_between(-0.9, 0.9, "place") + 2.0 * turn
        line = bell_curve(glass.across - along * draws.draw_near(0, 0.05, "slope"), place, 0.012)
        shine = shine + line * soft_band(-length, length, 0.8, along) * draws.draw_between(0.06, 0.22, "strength")
    return picture * (1 - rim) + shine


def _paint_label(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    label = frame.find_side(_LABEL)
    around = np.arcsin(label.across) / np.pi - (item.turn + turn)  # half turns
    around = around - 2 * np.rint(around / 2)
    row, column = (_LABEL[1][0] - label.height) * 8, (around * (0.5 / _LABEL_SHARE) + 0.5) * _PRINT[1]
    paper = sample_at(_print_label(item), row, column) * light_matt(label.normal)
    paper = paper + reflect_share(label.normal) * 0.6 * reflect_lamps(label.normal, 0.5)
    return blend_over(picture, paper, label.coverage * soft_band(-_LABEL_SHARE, _LABEL_SHARE, 0.006, around))


@lru_cache(maxsize=8)
def _print_label(item: Item) -> Field:
    """What is printed, three times round: the product's band and name, small text, the lot, a code of squares."""
    import cv2

    sheet: Any = np.full((*_PRINT, 3), 209, np.uint8)
    brand, ink = tuple(int(230 * channel) for channel in item.button), (13, 13, 15)
    sheet[:22] = brand
    lines = [
        (_PRINTED[item.product], 49, 0.66, 2, ink),
        ("10 mg/ml  20 ml", 65, 0.38, 1, brand),
        (f"LOT {item.draws.choose(range(1000, 9999), 'lot')}", 112, 0.36, 1, ink),
        ("for infusion", 80, 0.3, 1, ink),
        ("store at 2-8 C", 92, 0.3, 1, ink),
    ]
    # A data matrix: two solid borders, two dotted ones, random squares in it. 10 × 10 squares of 3 px.
    dark = item.draws.draw_noise((10, 10), "squares") > 0
    dark[:, 0] = dark[-1] = True
    dark[0], dark[:, -1] = np.arange(10) % 2 == 0, np.arange(10) % 2 == 1
    for left in (18, 205, 392):
        for text, bottom, size, stroke, shade in lines:
            cv2.putText(sheet, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, size, shade, stroke, cv2.LINE_AA)
        sheet[84:114, left + 128 : left + 158][np.kron(dark, np.ones((3, 3), bool))] = 15
    return np.asarray(sheet.transpose(2, 0, 1), np.float32) * (1 / 255)


def reach_plug(item: Item) -> tuple[float, float]:
    """From where to where the stopper's shaft stands, mm."""
    return _PLUG_FOOT + item.lift, _TOP + item.lift


def reach_shaft(item: Item) -> tuple[float, float]:
    """From where to where the shaft is seen above the lip, mm."""
    return _TOP - 1.5, _TOP + item.lift + 0.5


def find_plug(frame: Frame, low: float, high: float) -> Side:
    """The stopper's shaft between two heights."""
    return frame.find_side([(low, _PLUG), (high, _PLUG)])


def _paint_plug(picture: Field, frame: Frame, item: Item, low: float, high: float) -> Field:
    """The picture with the part of the stopper that stands in the neck, or between lip and head."""
    plug = find_plug(frame, low, high)
    shade = light_matt(plug.normal) * 0.85 * (0.5 + 0.5 * smooth_step(0, 2.5, plug.height - low))
    return blend_over(picture, shade * make_colour(*item.rubber) + 0.012, plug.coverage)


def find_head(frame: Frame, item: Item) -> tuple[Side, Face]:
    """The stopper's head, and its top."""
    low = _TOP + item.lift
    return frame.find_side([(low, _HEAD), (low + 3, _HEAD)]), frame.find_face(_HEAD - 0.15, low + 3)


def _paint_head(picture: Field, frame: Frame, item: Item) -> Field:
    """The picture with the stopper's head, which lies on the lip or stands above it on its shaft."""
    rubber, low = make_colour(*item.rubber), _TOP + item.lift
    head, top = find_head(frame, item)
    picture = _paint_plug(picture, frame, item, *reach_shaft(item)) if item.lift else picture
    below = low - head.height
    shadow = smooth_step(2.6, 0, below) * smooth_step(-0.4, 0, below) * frame.cover_edge(_HEAD - np.abs(frame.u))
    paint = light_matt(head.normal) * (0.75 + 0.25 * smooth_step(0, 1.2, -below)) * rubber
    paint = paint + (reflect_lamps(head.normal, 0.5) + 0.2) * reflect_share(head.normal) * 0.5
    picture = blend_over(picture * (1 - 0.55 * shadow), paint, head.coverage)
    # Its top: a dimple for the needle, a raised rim that catches the lamp above.
    light = 1.02 + 0.16 * top.far + 0.22 * bell_curve(top.out, 0.93, 0.06) - 0.22 * bell_curve(top.out, 0.42, 0.05)
    return blend_over(picture, light * rubber + 0.028 + 0.02 * top.far, top.coverage)


def _paint_mouth(picture: Field, frame: Frame) -> Field:
    """The open mouth: the lip's flat ring of glass, and the bore in it, dark toward the camera."""
    ring, bore = frame.find_face(9.7, _TOP), frame.find_face(_BORE, _TOP)
    glow = make_colour(0.44, 0.48, 0.50) + make_colour(0.30, 0.32, 0.33) * bell_curve(frame.u, -4.5, 3.5)
    picture = blend_over(picture, glow, ring.coverage * 0.85)
    deep = make_colour(0.035, 0.045, 0.05) + make_colour(0.26, 0.29, 0.30) * smooth_step(-1, 1, bore.far)
    picture = blend_over(picture, deep, bore.coverage * 0.92)
    return picture + bell_curve(bore.out, 1.06, 0.10) * 0.22 * ring.coverage


def seat_cap(frame: Frame, item: Item) -> Frame:
    """The frame of the item's cap: turned about its side, lifted, nodding, crushed from above, as its fault has it."""
    draws, strength, side = item.draws.narrow_to("cap"), item.severity, item.side
    slope, lift, down = draws.draw_near(0, 0.006, "slope"), 0.0, draws.draw_near(0.105, 0.012, "down")
    if item.fault == "tilted":
        slope, lift, down = -side * (0.14 + 0.12 * strength), 0.4, down + draws.draw_between(-0.02, 0.09, "nod")
    if item.fault == "loose":
        slope, lift = -side * draws.draw_between(0.0, 0.05, "cant"), 3.0 + 1.5 * strength
    # A tilted cap rests on one end of its lower edge.
    frame = replace(frame.turn_about(slope, -0.9 * _SEAL * side, _CRIMP, lift), down=down)
    crushed = bell_curve(frame.u, side * item.draws.draw_between(8.0, 10.5, "dent"), 6.5)
    return replace(frame, y=frame.y + item.dent * crushed * smooth_step(_CRIMP - 1, _BUTTON_TOP, frame.y))


def shade_neck(cap: Frame) -> Field:
    """Share of light that a cap keeps from the neck below it, its shadow: the light comes from above."""
    return 0.65 * smooth_step(4.5, 0, _CRIMP - cap.y - cap.down * cap.find_depth(_SEAL - 1.5))


def find_seal(cap: Frame, item: Item) -> Side:
    """The seal, its lower edge as far rolled in as the fault leaves it."""
    rolled = 1.5 * {"tilted": 0.5, "loose": 0.0}.get(item.fault, 1.0)
    outline = [(_CRIMP, _SEAL - rolled), (_CRIMP + 1.4, _SEAL), (_SEAL_TOP - 1, _SEAL), (_SEAL_TOP, _SEAL - 0.5)]
    return cap.find_side(outline, 5)


def _paint_seal(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    """An aluminium seal, crimped round the vial's lip by rollers."""
    seal = find_seal(frame, item)
    # A dent: above its crease the metal faces down, below it up, on a slant.
    across = seal.across - 0.50 * item.side
    slant = seal.height - 52.6 + across * (3.2 * item.side)
    reach = np.maximum(1 - (across * 2.1) ** 2 - (slant * 0.30) ** 2, 0) * item.dent
    n = seal.normal
    n = make_normal(n.x - 0.2 * across * reach, n.y + 0.45 * reach * (smooth_step(0.8, -0.8, slant) - 0.55), n.z)
    # It mirrors lamps and hall, smeared out, with fine marks up and down, and folds that the rollers left.
    noise = item.draws.draw_noise((64, 256), "marks", 1)
    marks = sample_at(noise, (seal.height - 46) * 0.8, (seal.across + turn) * 90 + 128)
    folds = (seal.across + turn) * 11
    folds = np.abs(folds - np.rint(folds)) * 0.2 * soft_band(_CRIMP + 0.6, _CRIMP + 2.0, 0.8, seal.height)
    metal = 0.95 * reflect_lamps(n, 0.30) + 1.15 * reflect_hall(n) + 0.07 * light_matt(n)
    metal = metal * (0.95 + 0.07 * marks - folds) * make_colour(0.93, 0.95, 0.97)
    metal = metal * (1 - 0.75 * bell_curve(seal.height, _SEAL_TOP - 0.1, 0.35))  # the line between seal and button
    return blend_over(picture, metal, seal.coverage)


def find_button(cap: Frame) -> tuple[Side, Face]:
    """The flip-off button on top of the seal: its side and its top."""
    edge = [(_SEAL_TOP, _BUTTON), (_BUTTON_TOP - 0.8, _BUTTON), (_BUTTON_TOP, _BUTTON - 0.9)]
    return cap.find_side(edge, 2), cap.find_face(_BUTTON - 0.25, _BUTTON_TOP)


def _paint_button(picture: Field, frame: Frame, colour: Field) -> Field:
    """The picture with the button on top of the seal."""
    side, top = find_button(frame)
    n, rim = side.normal, reflect_share(side.normal)
    plastic = colour * light_matt(n) * 1.05 + reflect_lamps(n, 0.16) * (0.10 + 0.5 * rim) + reflect_hall(n) * rim
    picture = blend_over(picture, plastic, side.coverage)
    # Its top lies in the light of the lamp above, with an embossed ring, and mirrors the hall behind.
    ring = 0.16 * bell_curve(top.out, 0.74, 0.06) - 0.14 * bell_curve(top.out, 0.82, 0.05)
    light = 0.98 + 0.10 * top.far + ring + 0.16 * bell_curve(top.out, 1.0, 0.05)
    gloss = 0.050 + 0.075 * smooth_step(-0.6, 1.0, top.far) * bell_curve(frame.u, -2.5, 9.0)
    return blend_over(picture, colour * light + gloss, top.coverage)
