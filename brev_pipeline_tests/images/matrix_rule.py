"""What a file of the matrix must look like in 8 bits: the documented rule, written down once more without our code."""

import numpy as np


def eight_bits(samples, white):
    """The nearest of 0..255 to samples of which ``white`` is white; halves go up."""
    wide = samples.astype(np.int64)
    whites = np.asarray(white, np.int64)
    return ((2 * 255 * wide + whites) // (2 * whites)).astype(np.uint8)


def at_depth(samples, white, wanted):
    """Samples that were stretched to ``white`` for want of a type of their own, back at the depth of the file."""
    if np.ndim(white) or np.size(wanted) > samples.shape[2] or white == wanted:
        return samples, white
    if np.ndim(wanted):
        samples = samples[:, :, : len(wanted)]
    return (samples.astype(np.int64) * wanted + white // 2) // white, wanted


def rgb(samples, white, *, premultiplied=False):
    """(height, width, 1..4) whole numbers, 0 black, as (height, width, 3) uint8 on black.

    Args:
        samples: grey, grey and alpha, RGB, or RGB and alpha.
        white: one number, or one per channel.
        premultiplied: whether the colours are multiplied by alpha already, so that black is behind them.
    """
    pixels = eight_bits(samples, white)
    colours, alpha = pixels, None
    if pixels.shape[2] in (2, 4):
        colours, alpha = pixels[:, :, :-1], pixels[:, :, -1:].astype(np.int64)
    if alpha is not None and not premultiplied:
        colours = ((colours * alpha + 127) // 255).astype(np.uint8)
    return np.broadcast_to(colours, (*colours.shape[:2], 3))


def rgb_of_cmyk(inks):
    """(height, width, 4) uint8 inks, 255 full, as RGB without a profile: what each ink and black let through."""
    through = 255 - inks.astype(np.int64)
    return ((through[:, :, :3] * through[:, :, 3:] + 127) // 255).astype(np.uint8)


def expected(cell):
    """The 8-bit RGB that a cell's samples stand for, on black."""
    if cell.inks:
        return rgb_of_cmyk(eight_bits(cell.samples, cell.white))
    return rgb(cell.samples, cell.white, premultiplied=cell.premultiplied)
