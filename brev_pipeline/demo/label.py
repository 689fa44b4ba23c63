"""Label: printed paper round the vial's body."""

from functools import lru_cache
from typing import Final

import numpy as np

from brev_pipeline.demo.draws import Draws
from brev_pipeline.demo.exact import Field, band, clip, colour, over, sample, soften
from brev_pipeline.demo.frame import Frame
from brev_pipeline.demo.glass import BODY
from brev_pipeline.demo.item import Item
from brev_pipeline.demo.light import diffuse, fresnel, reflection, round_wall

_LOW: Final = 4.2  # mm above the foot
_HIGH: Final = 18.8
_SHARE: Final = 0.74  # of the way round
_FINE: Final = 8  # px of print per mm
_PRINT: Final = (117, 556)  # px: 14.6 mm × 69.5 mm


def put_on(picture: Field, frame: Frame, item: Item, turn: float) -> Field:
    """The picture with the item's label, where the vial's front shows it."""
    s = clip(frame.u / BODY, -1, 1)
    height = frame.height(BODY)
    half_turns = _half_turns(s) - (item.turn + turn)
    half_turns = half_turns - 2 * np.rint(half_turns * 0.5)
    n = round_wall(s)
    paper = sample(_print(item), *_place(height, half_turns)) * diffuse(n)
    paper = paper + fresnel(n) * 0.6 * reflection(n, 0.5)
    round_body = frame.edge(BODY - np.abs(frame.u))
    ends = band(-_SHARE, _SHARE, 0.006, half_turns)
    tall = frame.edge(height - _LOW) * frame.edge(_HIGH - height)
    return over(picture, paper, round_body * ends * tall)


def _half_turns(s: Field) -> Field:
    """Arc sine over π by an odd polynomial, exact at 0 and ±1 and within 6 degrees between."""
    s2 = s * s
    s4 = s2 * s2
    return s * (0.3195 + 0.0555 * s2 + 0.125 * (s4 * s4))


def _place(height: Field, half_turns: Field) -> tuple[Field, Field]:
    rows = (_HIGH - height) * _FINE
    columns = (half_turns * (0.5 / _SHARE) + 0.5) * _PRINT[1]
    return rows, columns


@lru_cache(maxsize=8)
def _print(item: Item) -> Field:
    """What is printed: the product's band and name, small text, the lot, a code of squares."""
    sheet = np.full((3, *_PRINT), 0.82, np.float32)
    ink = colour(0.05, 0.05, 0.06)[:, 0]
    brand = colour(*item.button)[:, 0] * 0.9
    # The product's printing is the same on all its vials; lot and number are the item's own.
    product = Draws(item.draws.seed, ("label", item.product))
    sheet[:, :22] = brand[:, :, None]
    for left in (18, 205, 392):
        _words(sheet, product.about("name", 0), 34, left, 130, 15, ink)
        _words(sheet, product.about("dose", 0), 56, left, 90, 8, brand)
        for line in range(3):
            _words(sheet, product.about("text", line), 72 + 10 * line, left, 118, 5, ink)
        _words(sheet, item.draws.about("lot", 0), 103, left, 60, 6, ink)
        _code(sheet, item.draws.about("code"), 84, left + 128)
    return soften(sheet, 0.2)


def _words(sheet: Field, draws: Draws, top: int, left: int, width: int, height: int, ink: Field) -> None:
    """A line of something like letters: upright and level strokes, with gaps between words."""
    x, letter = left, max(3, height * 2 // 3)
    while x < left + width:
        bits = int(draws.between(1, 64, f"letter {x}"))
        if bits > 8:
            _letter(sheet[:, top : top + height, x : x + letter], bits, max(1, height // 5), ink)
        x += letter + max(1, height // 5)


def _letter(cell: Field, bits: int, stroke: int, ink: Field) -> None:
    """The strokes that ``bits`` name: left always, right, upper, lower, middle."""
    middle = cell.shape[1] // 2
    columns = [slice(stroke), slice(-stroke, None)]
    rows = [slice(stroke), slice(-stroke, None), slice(middle, middle + stroke)]
    strokes = [np.s_[:, :, at] for at in columns] + [np.s_[:, at] for at in rows]
    for number, stroke_at in enumerate(strokes):
        if bits >> number & 1 or number == 0:
            cell[stroke_at] = ink[:, :, None]


def _code(sheet: Field, draws: Draws, top: int, left: int) -> None:
    """A data matrix: two solid borders, two dotted ones, random squares in it. 10 × 10 squares of 3 px."""
    dark = draws.grain((10, 10), "squares") > 0
    dark[:, 0] = dark[-1] = True
    dark[0], dark[:, -1] = np.arange(10) % 2 == 0, np.arange(10) % 2 == 1
    squares = np.kron(dark, np.ones((3, 3), bool))
    sheet[:, top : top + 30, left : left + 30][:, squares] = 0.06
