"""Pixels of a cell by FFmpeg's own decoders, from its frames as they are: without its scaler, at their full depth."""

import re
from io import BytesIO

import numpy as np

from brev_pipeline_tests.images import matrix_rule as rule

_DEMUXERS = {
    "tiff": "tiff_pipe",
    "png": "png_pipe",
    "bmp": "bmp_pipe",
    "gif": "gif",
    "jpeg": "jpeg_pipe",
    "webp": "webp_pipe",
    "jpeg2000": "j2k_pipe",
}
_PNM = {
    b"P1": "pbm_pipe",
    b"P4": "pbm_pipe",
    b"P2": "pgm_pipe",
    b"P5": "pgm_pipe",
    b"P3": "ppm_pipe",
    b"P6": "ppm_pipe",
}


def read_by_ffmpeg(cell):
    import av

    av.logging.set_level(av.logging.PANIC)
    demuxer = _PNM[cell.data[:2]] if cell.format == "pnm" else _DEMUXERS[cell.format]
    with av.open(BytesIO(cell.data), format=demuxer) as container:
        frame = next(container.decode(video=0))
    samples, white = _frame(frame, cell)
    if cell.format == "jpeg2000" and not np.ndim(white) and white > np.max(cell.white):
        # Its decoder moves samples to the top of a wider type and leaves zeros behind them.
        return rule.rgb(samples >> int(white).bit_length() - int(np.max(cell.white)).bit_length(), cell.white)
    return rule.rgb(*rule.at_depth(samples, white, cell.white), premultiplied=cell.premultiplied)


_ORDERS = {
    "rgb": [0, 1, 2],
    "bgr": [2, 1, 0],
    "rgba": [0, 1, 2, 3],
    "bgra": [2, 1, 0, 3],
    "argb": [1, 2, 3, 0],
    "abgr": [3, 2, 1, 0],
}


def _frame(frame, cell):
    """Samples (height, width, channels) and their white, by the name of FFmpeg's pixel format."""
    name, planes = frame.format.name, list(frame.planes)
    if name in ("monow", "monob"):
        bits = np.unpackbits(_plane(planes[0], "u1"), axis=1)[: frame.height, : frame.width, None]
        return (1 - bits if name == "monow" else bits), 1
    if name == "pal8":
        colours = np.frombuffer(planes[1], "<u4", 256)
        table = np.stack([colours >> shift & 255 for shift in (16, 8, 0, 24)], axis=1)
        return table[_plane(planes[0], "u1")[: frame.height, : frame.width]], 255
    if found := re.fullmatch(r"(rgb|bgr)(444|555|565)le", name):
        return _short_pixels(_plane(planes[0], "<u2")[: frame.height, : frame.width], *found.groups())
    if found := re.fullmatch(r"yuv(j?)a?(\d{3})p(16le)?", name):
        return _colour(frame, 16 if found[3] else 8, full=found[1] == "j" or cell.format != "webp")
    if found := re.fullmatch(r"gbra?p(\d*)(le|be)?", name):
        bits = int(found[1] or 8)
        order = [2, 0, 1] + ([3] if name.startswith("gbrap") else [])
        parts = [_plane(planes[index], _kind(bits, found[2]))[: frame.height, : frame.width] for index in order]
        return np.stack(parts, axis=2), (1 << bits) - 1
    if found := re.fullmatch(r"(gray|ya)(\d*)(le|be)?", name):
        channels, bits = (1 if found[1] == "gray" else 2), int(found[2] or 8)
        return _packed(frame, channels, bits, found[3]), (1 << bits) - 1
    found = re.fullmatch(r"(rgba|bgra|argb|abgr|rgb|bgr)(0|24|48|64)?(le|be)?", name)
    if not found:
        raise ValueError(f"pixel format {name}")
    channels = 4 if len(found[1]) == 4 or found[2] == "0" else 3
    bits = 16 if found[2] in ("48", "64") else 8
    return _packed(frame, channels, bits, found[3])[:, :, _ORDERS[found[1]]], (1 << bits) - 1


def _kind(bits, order):
    return "u1" if bits == 8 else (">u2" if order == "be" else "<u2")


def _plane(plane, kind):
    """(height, values of a line)."""
    size = np.dtype(kind).itemsize
    return np.frombuffer(plane, kind).reshape(-1, plane.line_size // size)


def _packed(frame, channels, bits, order):
    values = _plane(frame.planes[0], _kind(bits, order))[: frame.height, : frame.width * channels]
    return values.reshape(frame.height, frame.width, channels)


def _short_pixels(values, order, widths):
    red, green, blue = map(int, widths)
    whites = [(1 << width) - 1 for width in (red, green, blue)]
    parts = [values >> green + blue & whites[0], values >> blue & whites[1], values & whites[2]]
    return np.stack(parts if order == "rgb" else parts[::-1], axis=2), tuple(whites)


def _colour(frame, bits, *, full):
    """YCbCr (BT.601) as RGB: full range as JFIF has it, or video range as WebP has it; alpha as it is."""
    white, middle = (1 << bits) - 1, 1 << bits - 1
    planes = [_plane(plane, _kind(bits, "le")).astype(float)[:, : plane.width] for plane in frame.planes]
    luma, alpha = planes[0][: frame.height], [plane[: frame.height] for plane in planes[3:]]
    blue, red = (
        _enlarge(part, frame.height, frame.width)[: frame.height, : frame.width] - middle for part in planes[1:3]
    )
    stretch = 1.0 if full else 255 / 224
    luma = luma if full else (luma - 16) * 255 / 219
    parts = [
        luma + 1.402 * stretch * red,
        luma - (0.344136 * blue + 0.714136 * red) * stretch,
        luma + 1.772 * stretch * blue,
        *alpha,
    ]
    return np.clip(np.floor(np.stack(parts, axis=2) + 0.5), 0, white).astype(np.int64), white


def _enlarge(chroma, height, width):
    """Halved chroma between its neighbours at 3 : 1; quartered chroma repeated, as libjpeg does."""
    for axis, size in enumerate((height, width)):
        times = -(-size // chroma.shape[axis])
        if times == 2:
            before = np.concatenate([chroma.take([0], axis), chroma], axis).take(range(chroma.shape[axis]), axis)
            after = np.concatenate([chroma, chroma.take([-1], axis)], axis).take(range(1, chroma.shape[axis] + 1), axis)
            pair = [(3 * chroma + before) / 4, (3 * chroma + after) / 4]
            shape = [*chroma.shape]
            shape[axis] *= 2
            chroma = np.stack(pair, axis + 1).reshape(shape)
        elif times > 2:
            chroma = np.repeat(chroma, times, axis)
    return chroma
