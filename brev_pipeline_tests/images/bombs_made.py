"""Files that were made to cost much: name → a function that makes it."""

import io
import lzma
import struct
import zlib

import imagecodecs
from PIL import Image

BOMBS = {}
"""Name → what makes the file."""


def _add(name, make):
    BOMBS[name] = make


def _saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


SIDE = 9990  # nearly the most pixels that are read by default


# ---------------------------------------------------------------------------------------------------------------- PNG


def _chunk(kind, body=b""):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(side, depth, colour, coded, before=b"", after=b"", interlaced=0):
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + before + _chunk(b"IDAT", coded) + after + _chunk(b"IEND")


def _zeros(count):
    coder = zlib.compressobj(9)
    return (
        b"".join(coder.compress(bytes(1 << 20)) for _ in range(count >> 20))
        + coder.compress(bytes(count % (1 << 20)))
        + coder.flush()
    )


def _rows(side, bits):
    return side * (1 + (side * bits + 7) // 8)


_GIGA = 1 << 30
_PALETTE = _chunk(b"PLTE", bytes(768))
_SMALL = zlib.compress(bytes(_rows(64, 8)))
_DEEP = zlib.compress(bytes(_rows(64, 16)))

_add("png tail grey", lambda: _png(64, 8, 0, _zeros(_GIGA)))
_add("png tail rgb", lambda: _png(64, 8, 2, _zeros(_GIGA)))
_add("png tail 16 bit", lambda: _png(64, 16, 0, _zeros(_GIGA)))
_add("png tail palette", lambda: _png(64, 8, 3, _zeros(_GIGA), _PALETTE))
_add("png tail interlaced", lambda: _png(64, 8, 0, _zeros(_GIGA), interlaced=1))
_add("png chunks", lambda: _png(64, 8, 0, _SMALL, _chunk(b"tIME", bytes(7)) * 500_000))
_add("png chunks behind", lambda: _png(64, 8, 0, _SMALL, after=_chunk(b"tIME", bytes(7)) * 500_000))
_add("png empty idats", lambda: _png(64, 8, 0, b"", after=_chunk(b"IDAT") * 60_000 + _chunk(b"IDAT", _SMALL)))
_add(
    "png texts",
    lambda: _png(
        64, 16, 0, _DEEP, b"".join(_chunk(b"zTXt", b"k%d\0\0" % i + zlib.compress(bytes(900_000))) for i in range(300))
    ),
)
_add(
    "png 60,000 texts", lambda: _png(64, 8, 0, _SMALL, b"".join(_chunk(b"tEXt", b"k%d\0v" % i) for i in range(60_000)))
)
_add("png text of 1 GB", lambda: _png(64, 16, 0, _DEEP, _chunk(b"iTXt", b"k\0\1\0\0\0" + _zeros(_GIGA))))
_add("png xmp of 1 GB", lambda: _png(64, 8, 0, _SMALL, _chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + _zeros(_GIGA))))
_add(
    "png exif text of 1 GB",
    lambda: _png(64, 8, 0, _SMALL, _chunk(b"zTXt", b"Raw profile type exif\0\0" + _zeros(_GIGA))),
)
_add("png profile of 1 GB", lambda: _png(64, 8, 0, _SMALL, _chunk(b"iCCP", b"k\0\0" + _zeros(_GIGA))))
_add(
    "png profile and exif",
    lambda: _png(
        64, 8, 0, _SMALL, _chunk(b"iCCP", b"k\0\0" + _zeros(_GIGA)) + _chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    ),
)
_add(
    "png tail and exif",
    lambda: _png(
        64, 8, 0, zlib.compress(bytes(_rows(64, 8) + (8 << 20))), _chunk(b"tEXt", b"Raw profile type exif\0x")
    ),
)
_add(
    "png frames",
    lambda: _png(
        64,
        8,
        0,
        _SMALL,
        _chunk(b"acTL", struct.pack(">II", 1 << 30, 0))
        + _chunk(b"fcTL", struct.pack(">5I2H2B", 0, 64, 64, 0, 0, 1, 1, 0, 0)),
        b"".join(
            _chunk(b"fcTL", struct.pack(">5I2H2B", 2 * i + 1, 64, 64, 0, 0, 1, 1, 0, 0))
            + _chunk(b"fdAT", struct.pack(">I", 2 * i + 2) + _SMALL)
            for i in range(30_000)
        ),
    ),
)
_add(
    "png frames and exif",
    lambda: _png(
        64,
        8,
        0,
        _SMALL,
        _chunk(b"acTL", struct.pack(">II", 1 << 30, 0))
        + _chunk(b"tEXt", b"XML:com.adobe.xmp\0x")
        + _chunk(b"fcTL", struct.pack(">5I2H2B", 0, 64, 64, 0, 0, 1, 1, 0, 0)),
        b"".join(
            _chunk(b"fcTL", struct.pack(">5I2H2B", 2 * i + 1, 64, 64, 0, 0, 1, 1, 0, 0))
            + _chunk(b"fdAT", struct.pack(">I", 2 * i + 2) + _SMALL)
            for i in range(30_000)
        ),
    ),
)
for _depth, _colour, _per in ((1, 0, 1), (1, 3, 1), (8, 3, 1), (8, 2, 3), (16, 4, 2), (16, 6, 4)):
    for _interlaced in (0, 1):
        _name = f"png big {_colour}/{_depth}" + (" interlaced" if _interlaced else "")
        _add(
            _name,
            lambda d=_depth, c=_colour, p=_per, i=_interlaced: _png(
                SIDE,
                d,
                c,
                _zeros(_rows(SIDE, d * p) + 80_000 * i),
                _PALETTE[:0] if c != 3 else _chunk(b"PLTE", bytes(3 << d)),
                interlaced=i,
            ),
        )
_add("png big with text", lambda: _png(SIDE, 8, 2, _zeros(_rows(SIDE, 24)), _chunk(b"tEXt", b"Software\0x")))
_add(
    "png big with exif text",
    lambda: _png(SIDE, 8, 6, _zeros(_rows(SIDE, 32)), _chunk(b"tEXt", b"XML:com.adobe.xmp\0x")),
)
_add(
    "png wide",
    lambda: (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", 99_000_000, 1, 16, 6, 0, 0, 1))
        + _chunk(b"IDAT", _zeros(99_000_000 * 8 + 16))
        + _chunk(b"IEND")
    ),
)
_add(
    "png tall",
    lambda: (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 99_000_000, 8, 2, 0, 0, 0))
        + _chunk(b"IDAT", _zeros(99_000_000 * 4))
        + _chunk(b"IEND")
    ),
)


# ---------------------------------------------------------------------------------------------------------------- GIF


def _gif(screen, frame, codes=b"\x02\x02\x4c\x01\0", before=b"", after=b""):
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6)
    return head + before + b"\x2c" + struct.pack("<HHHHB", 0, 0, *frame, 0) + codes + after + b";"


def _gif_codes(pixels):
    data = _saved(Image.new("L", pixels), "GIF")
    start = data.index(b"\x2c\0\0\0\0") + 10
    return data[start:-1]


_add("gif blocks", lambda: _gif((8, 8), (8, 8), before=b"\x21\xfe" + b"\x01a" * 20_000_000 + b"\0"))
_add("gif extensions", lambda: _gif((8, 8), (8, 8), before=b"\x21\xfe\x01a\0" * 5_000_000))
_add(
    "gif comments of 60,000", lambda: _gif((8, 8), (8, 8), before=b"\x21\xfe" + (b"\xff" + b"a" * 255) * 60_000 + b"\0")
)
_add("gif comments", lambda: _gif((8, 8), (8, 8), before=(b"\x21\xfe" + (b"\xff" + b"a" * 255) * 5 + b"\0") * 10_000))
_add("gif frame beyond screen", lambda: _gif((8, 8), (SIDE, SIDE), _gif_codes((SIDE, SIDE))))
_add(
    "gif frames",
    lambda: _gif(
        (8, 8), (8, 8), after=(b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02\x02\x4c\x01\0") * 100_000
    ),
)
_add("gif short blocks", lambda: _gif((SIDE, SIDE), (SIDE, SIDE), b"\x02" + b"\x01\x4c" * 20_000_000 + b"\0"))
_add("gif tail of codes", lambda: _gif((8, 8), (8, 8), b"\x02" + (b"\xff" + b"\x84" * 255) * 60_000 + b"\0"))
_add("gif big", lambda: _saved(Image.new("L", (SIDE, SIDE)), "GIF"))


# --------------------------------------------------------------------------------------------------------------- JPEG


def _segment(marker, body=b""):
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _jpeg(image, before=b"", **options):
    data = _saved(image, "JPEG", **options)
    return data[:2] + before + data[2:]


def _scans(side, count, restart=0, arithmetic=False):
    """A progressive image of ``count`` scans that say nothing."""
    head = b"\xff\xd8" + _segment(0xDB, b"\0" + b"\1" * 64)
    head += _segment(0xCA if arithmetic else 0xC2, struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0))
    table = b"\0\2" + bytes(14)  # two codes of two bits
    head += b"" if arithmetic else _segment(0xC4, b"\0" + table + b"\0\1") + _segment(0xC4, b"\x10" + table + b"\0\xe0")
    head += _segment(0xDD, struct.pack(">H", restart)) if restart else b""
    blocks = (-(-side // 8)) ** 2
    first = _segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 4))
    # The second symbol: an end-of-band run of 2^14 blocks and as many more as 14 bits say; the first: of one.
    runs, left = "", blocks
    while left >= 1 << 14:
        length = min(left, (1 << 15) - 1)
        runs += "01" + format(length - (1 << 14), "014b")
        left -= length
    runs += "00" * left
    bits = runs + "1" * (-len(runs) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    scan = _segment(0xDA, b"\1\1\0\1\x3f\1") + (b"" if arithmetic else coded)
    refined = _segment(0xDA, b"\1\1\0\1\x3f\x10") + (b"" if arithmetic else coded)
    return (
        head
        + (first if not arithmetic else _segment(0xDA, b"\1\1\0\0\0\0"))
        + scan
        + refined * (count - 2)
        + b"\xff\xd9"
    )


_add("jpeg 1000 scans of 64 px", lambda: _scans(64, 1000))
_add("jpeg 1000 scans of 1000 px", lambda: _scans(1000, 1000))
_add("jpeg 100 scans of 3000 px", lambda: _scans(3000, 100))
_add("jpeg 32 scans of 9990 px", lambda: _scans(SIDE, 32))
_add("jpeg arithmetic scans", lambda: _scans(1000, 1000, arithmetic=True))
_add("jpeg arithmetic 9990 px", lambda: _scans(SIDE, 32, arithmetic=True))
_add("jpeg comments", lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 10_000_000)
_add("jpeg fill bytes", lambda: b"\xff\xd8" + b"\xff" * 200_000_000)
_add("jpeg zeros", lambda: b"\xff\xd8\xff\xe0\0\2" + bytes(200_000_000))
_add("jpeg tables", lambda: _jpeg(Image.new("L", (64, 64)), _segment(0xDB, b"\0" + b"\1" * 64) * 65_000))
_add(
    "jpeg tables between scans",
    lambda: _scans(64, 3).replace(
        b"\xff\xda\0\x08\1\1\0\1\x3f\x10",
        _segment(0xDB, b"\0" + b"\1" * 64) * 1_000_000 + b"\xff\xda\0\x08\1\1\0\1\x3f\x10",
    ),
)
_add("jpeg cmyk comments", lambda: _jpeg(Image.new("CMYK", (64, 64)), _segment(0xFE, b"x") * 65_000))
_add(
    "jpeg cmyk exif segments",
    lambda: _jpeg(Image.new("CMYK", (64, 64)), _segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 1500),
)
_add(
    "jpeg xmp segments",
    lambda: _jpeg(
        Image.new("RGB", (64, 64)),
        _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0tiff:Orientation" + bytes(65_000)) * 1500,
    ),
)
_add(
    "jpeg cmyk profile",
    lambda: _jpeg(
        Image.new("CMYK", (64, 64)),
        b"".join(_segment(0xE2, b"ICC_PROFILE\0" + bytes((i % 255 + 1, 255)) + bytes(65_000)) for i in range(1500)),
    ),
)
_add(
    "jpeg cmyk photoshop",
    lambda: _jpeg(Image.new("CMYK", (64, 64)), _segment(0xED, b"Photoshop 3.0\0" + (b"8BIM" + bytes(8)) * 5400) * 200),
)
_add(
    "jpeg pictures",
    lambda: _jpeg(
        Image.new("CMYK", (64, 64)),
        _segment(
            0xE2,
            b"MPF\0II*\0\x08\0\0\0\3\0\0\xb0\7\0\4\0\0\0\x30\x31\x30\x30\1\xb0\4\0\1\0\0\0\xa0\x0f\0\0\2\xb0\7\0\0\xfa\0\0\x32\0\0\0\0\0\0\0"
            + bytes(64_000),
        ),
    ),
)
_add("jpeg 65,500 px tall", lambda: _jpeg(Image.new("RGB", (1, 65_500))))
_add("jpeg restarts", lambda: _jpeg(Image.new("RGB", (SIDE, SIDE)), restart_marker_blocks=1))
_add(
    "jpeg exif circle",
    lambda: _jpeg(Image.new("L", (64, 64)), _segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0" + bytes(20))),
)
_add(
    "jpeg exif of 5000 fields",
    lambda: _jpeg(
        Image.new("CMYK", (64, 64)),
        _segment(
            0xE1,
            b"Exif\0\0II*\0\x08\0\0\0"
            + struct.pack("<H", 5000)
            + b"".join(struct.pack("<HHII", i, 7, 60_000, 8) for i in range(5000)),
        ),
    ),
)
_add("jpeg big progressive", lambda: _saved(Image.new("RGB", (SIDE, SIDE)), "JPEG", progressive=True))
_add("jpeg big cmyk progressive", lambda: _saved(Image.new("CMYK", (SIDE, SIDE)), "JPEG", progressive=True))


# --------------------------------------------------------------------------------------------------------------- TIFF


def _tiff(fields, parts=(b"",), *, more=b"", starts=None, lengths=None, big=False, repeat=None):
    """A TIFF of the given fields (tag → value, values or (type, count, bytes)), whose parts stand behind each other."""
    data, places = bytearray(16), []
    for part in parts:
        places.append(len(data))
        data += part
    tiled = 322 in fields
    counts = [len(part) for part in parts]
    if repeat:
        places, counts = places * repeat, counts * repeat
    fields = {262: 1, 258: 8, 277: 1, **fields}
    fields[324 if tiled else 273] = starts or places
    fields[325 if tiled else 279] = lengths or counts
    letter, room = ("Q", 8) if big else ("I", 4)
    entries = b""
    for tag, value in sorted(fields.items()):
        if isinstance(value, tuple) and len(value) == 3 and isinstance(value[2], (bytes, int)):
            kind, count, body = value
        else:
            values = value if isinstance(value, list) else [value]
            kind, count, body = (16 if big else 4), len(values), struct.pack(f"<{len(values)}{letter}", *values)
        if isinstance(body, int):
            body = struct.pack("<" + letter, body)
        elif len(body) > room:
            place = len(data)
            data += body
            body = struct.pack("<" + letter, place)
        entries += struct.pack("<HH" + letter, tag, kind, count) + body.ljust(room, b"\0")
    data += more
    place = len(data)
    data += struct.pack("<Q" if big else "<H", len(entries) // (20 if big else 12)) + entries + bytes(room)
    data[:16] = b"II+\0\x08\0\0\0" + struct.pack("<Q", place) if big else b"II*\0" + struct.pack("<I", place) + bytes(8)
    return bytes(data)


def _xz(data, dictionary):
    return lzma.compress(data, lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": dictionary}])


def _tiles(side, tile, code=1):
    return {256: side, 257: side, 322: tile, 323: tile, 259: code}


def _whole(side, code, kind=1, channels=1, bits=8):
    """Fields of an image of one strip."""
    colours = {320: (3, 768, bytes(1536))} if kind == 3 else {}
    depths = (3, channels, struct.pack("<H", bits) * channels)
    return {256: side, 257: side, 278: side, 259: code, 262: kind, 277: channels, 258: depths, **colours}


def _strip_bomb(side, code, part):
    return _tiff({256: side, 257: side, 278: 1, 259: code}, [part], repeat=side)


_add("tiff strips of one stream", lambda: _strip_bomb(2000, 8, zlib.compress(bytes(20_000_000))))
_add("tiff tiles 1×1", lambda: _tiff(_tiles(512, 1), [b"\0"], repeat=512 * 512))
_add("tiff tiles 1×1 lzma", lambda: _tiff(_tiles(512, 1, 34925), [_xz(b"\0", 64 << 20)], repeat=512 * 512))
_add("tiff tiles 1×1 deflate", lambda: _tiff(_tiles(512, 1, 8), [zlib.compress(b"\0")], repeat=512 * 512))
_add("tiff tiles 1×1 lzw", lambda: _tiff(_tiles(512, 1, 5), [b"\x80\x00\x20\x20"], repeat=512 * 512))
_add("tiff tiles 1×1 zstd", lambda: _tiff(_tiles(512, 1, 50000), [imagecodecs.zstd_encode(b"\0")], repeat=512 * 512))
_add("tiff tiles 1×1 12 bit", lambda: _tiff({**_tiles(512, 1), 258: 12}, [b"\0\0"], repeat=512 * 512))
_add(
    "tiff tiles 1×1 palette",
    lambda: _tiff({**_tiles(512, 1, 8), 262: 3, 320: (3, 768, bytes(1536))}, [zlib.compress(b"\0")], repeat=512 * 512),
)
_add(
    "tiff strips palette",
    lambda: _tiff({256: 1, 257: 260_000, 278: 1, 259: 1, 262: 3, 320: (3, 768, bytes(1536))}, [b"\0"], repeat=260_000),
)
_add(
    "tiff strips palette lzw",
    lambda: _tiff(
        {256: 1, 257: 260_000, 278: 1, 259: 5, 262: 3, 320: (3, 768, bytes(1536))},
        [b"\x80\x00\x20\x20"],
        repeat=260_000,
    ),
)
_add(
    "tiff strips cmyk",
    lambda: _tiff(
        {256: 1, 257: 65_000, 278: 1, 277: 4, 284: 2, 258: (3, 4, b"\x08\0" * 4), 262: 5}, [b"\0"], repeat=260_000
    ),
)
_add("tiff giant tile", lambda: _tiff(_tiles(8, 4000, 8), [zlib.compress(bytes(16_000_000))]))
_add(
    "tiff giant tile 32 bit", lambda: _tiff({**_tiles(8, 4000, 8), 258: 32, 317: 2}, [zlib.compress(bytes(64_000_000))])
)
_add(
    "tiff giant tile palette",
    lambda: _tiff({**_tiles(8, 4000, 8), 262: 3, 320: (3, 768, bytes(1536))}, [zlib.compress(bytes(16_000_000))]),
)
_add(
    "tiff giant tiles 16 × 8 bit",
    lambda: _tiff(
        {**_tiles(8, 1000, 50000), 277: 16, 258: (3, 16, b"\x08\0" * 16)}, [imagecodecs.zstd_encode(bytes(16_000_000))]
    ),
)
_add("tiff giant tile jpeg", lambda: _tiff(_tiles(8, 4000, 7), [_scans(4000, 64)]))
_add("tiff jpeg scans", lambda: _tiff({**_tiles(512, 16, 7)}, [_scans(16, 64)], repeat=1024))
_add(
    "tiff jpeg larger parts",
    lambda: _tiff({**_tiles(2048, 16, 7)}, [_scans(256, 64)], repeat=128 * 128, more=bytes(10_000_000)),
)
_add("tiff jpeg 1000 scans", lambda: _tiff({256: 1000, 257: 1000, 278: 1000, 259: 7}, [_scans(1000, 1000)]))
_add("tiff jpeg 64 scans, big", lambda: _tiff({256: SIDE, 257: SIDE, 278: SIDE, 259: 7}, [_scans(SIDE, 64)]))
_add(
    "tiff old jpeg",
    lambda: _tiff(
        {256: 64, 257: 64, 278: 64, 259: 6, 262: 6, 277: 3, 258: (3, 3, b"\x08\0" * 3)},
        [_saved(Image.new("RGB", (64, 64)), "JPEG")],
    ),
)
_add(
    "tiff values that overlap",
    lambda: _tiff(
        {**_whole(64, 1, 3), **dict.fromkeys(range(40000, 44000), (7, 4000000, 16))},
        [bytes(4096)],
        more=bytes(4_100_000),
    ),
)
_add(
    "tiff texts that overlap",
    lambda: _tiff(
        {**_whole(64, 1, 3), **dict.fromkeys(range(40000, 44000), (2, 400000, 16))},
        [bytes(4096)],
        more=bytes(410_000),
    ),
)
_add(
    "tiff fractions that overlap",
    lambda: _tiff(
        {
            **_whole(64, 1, 3),
            282: (5, 500_000, 16),
            283: (5, 500_000, 16),
            **dict.fromkeys(range(40000, 40100), (5, 500000, 16)),
        },
        [bytes(4096)],
        more=bytes(4_100_000),
    ),
)
_add(
    "tiff profile of 100 MB",
    lambda: _tiff({**_whole(64, 1, 3), 34675: (7, 100_000_000, 16)}, [bytes(4096)], more=bytes(100_100_000)),
)
_add(
    "tiff big counts",
    lambda: _tiff({256: 64, 257: 64, 259: 1, 258: (16, 1 << 60, 16), 320: (16, 1 << 61, 16)}, [bytes(4096)], big=True),
)
_add(
    "tiff directories",
    lambda: (lambda chain: b"II*\0\x08\0\0\0" + chain)(
        b"".join(struct.pack("<HHHIII", 1, 256, 4, 1, 8, 8 + 18 * (i + 1)) for i in range(1_000_000))
    ),
)
_add("tiff directory circle", lambda: b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 256, 4, 1, 8, 8))
_add(
    "tiff predictor, one row",
    lambda: _tiff(
        {256: 90_000_000, 257: 1, 278: 1, 259: 50000, 258: 16, 317: 2}, [imagecodecs.zstd_encode(bytes(180_000_000))]
    ),
)
_add("tiff fax", lambda: _tiff({256: SIDE, 257: SIDE, 278: SIDE, 259: 4, 258: 1, 262: 0}, [b"\xff" * (SIDE // 8 + 1)]))
_add(
    "tiff fax strips",
    lambda: _tiff(
        {256: SIDE, 257: SIDE, 278: 1, 259: 4, 258: 1, 262: 0}, [b"\x26\xa0" + b"\x55" * 12_000], repeat=SIDE
    ),
)
_add("tiff fax 3 wide", lambda: _tiff({256: 99_000_000, 257: 1, 278: 1, 259: 3, 258: 1, 262: 0}, [b"\x55" * 1_000_000]))
_add(
    "tiff xz of 64 MB strips",
    lambda: _tiff({256: 16, 257: 4000, 278: 1, 259: 34925}, [_xz(bytes(16), 64 << 20)], repeat=4000),
)
_add(
    "tiff zstd bomb",
    lambda: _tiff({256: 64, 257: 64, 278: 64, 259: 50000}, [imagecodecs.zstd_encode(bytes(1_000_000_000))]),
)
_add("tiff lzma bomb", lambda: _tiff({256: 64, 257: 64, 278: 64, 259: 34925}, [lzma.compress(bytes(300_000_000))]))
_add("tiff big palette", lambda: _tiff(_whole(SIDE, 8, 3), [zlib.compress(bytes(SIDE * SIDE))]))
_add("tiff big cmyk", lambda: _tiff(_whole(SIDE, 8, 5, 4), [zlib.compress(bytes(SIDE * SIDE * 4))]))
_add("tiff big lab", lambda: _tiff(_whole(SIDE, 8, 8, 3), [zlib.compress(bytes(SIDE * SIDE * 3))]))
_add(
    "tiff big rgba 16",
    lambda: _tiff({**_whole(SIDE, 8, 2, 4, 16), 338: 1, 284: 2}, [zlib.compress(bytes(SIDE * SIDE * 2))], repeat=4),
)
_add(
    "tiff big 16 channels",
    lambda: _tiff({**_whole(SIDE, 8, 1, 16, 16), 284: 2}, [zlib.compress(bytes(SIDE * SIDE * 2))], repeat=16),
)
_add("tiff big 12 bit", lambda: _tiff(_whole(SIDE, 8, 2, 3, 12), [zlib.compress(bytes(SIDE * SIDE * 9 // 2 + SIDE))]))
_add("tiff big 32 bit", lambda: _tiff(_whole(SIDE, 8, bits=32), [zlib.compress(bytes(SIDE * SIDE * 4))]))
_add("tiff big lzw tiles 16", lambda: _tiff(_tiles(8000, 16, 5), [imagecodecs.lzw_encode(bytes(256))], repeat=250_000))


# ---------------------------------------------------------------------------------------------------------- JPEG 2000


def _marker(number, body):
    return struct.pack(">HH", 0xFF00 | number, len(body) + 2) + body


def _codestream(
    size,
    tile,
    *,
    components=1,
    layers=1,
    levels=0,
    block=(4, 4),
    precincts=None,
    progression=0,
    packets=1,
    tiles=None,
    main=b"",
    tile_head=b"",
    sub=(1, 1),
    depth=7,
    transform=1,
):
    """A codestream of empty packets: a byte of zero each."""
    width, height = size
    head = (
        struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, *tile, 0, 0, components) + bytes((depth, *sub)) * components
    )
    style = bytes([1 if precincts else 0, progression]) + struct.pack(">HB", layers, 0)
    style += bytes([levels, block[0] - 2, block[1] - 2, 0, transform]) + bytes(precincts or [])
    stream = (
        b"\xff\x4f"
        + _marker(0x51, head)
        + _marker(0x52, style)
        + _marker(0x5C, b"\x40" + b"\x40" * (3 * levels + 1))
        + main
    )
    if tiles is None:
        tiles = -(-width // tile[0]) * -(-height // tile[1])
    body = tile_head + b"\xff\x93" + bytes(packets)
    parts = [struct.pack(">HHHIBB", 0xFF90, 10, number, 12 + len(body), 0, 1) + body for number in range(tiles)]
    return b"".join([stream, *parts, b"\xff\xd9"])


def _cod(layers, levels, precincts=()):
    style = bytes([1 if precincts else 0, 0]) + struct.pack(">HB", layers, 0)
    return _marker(0x52, style + bytes([levels, 2, 2, 0, 1, *precincts]))


_add("jp2 tiles 1×1", lambda: _codestream((255, 256), (1, 1)))
_add("jp2 tiles 1×1, 3 components", lambda: _codestream((255, 256), (1, 1), components=3, packets=3))
_add("jp2 tiles 1×1, not there", lambda: _codestream((255, 257), (1, 1), tiles=0))
_add("jp2 tiles 1×1, 32 levels", lambda: _codestream((100, 300), (1, 1), levels=32, packets=33))
_add("jp2 tiles 16×16", lambda: _codestream((4000, 4000), (16, 16), levels=2, packets=3))
_add("jp2 layers 65,535", lambda: _codestream((64, 64), (64, 64), layers=65_535, levels=10, packets=11 * 65_535))
_add(
    "jp2 layers in the tile",
    lambda: _codestream((64, 64), (64, 64), packets=33 * 65_535, tile_head=_cod(65_535, 32), main=b""),
)
_add("jp2 precincts 1×1", lambda: _codestream((1000, 1000), (1000, 1000), levels=0, precincts=[0], packets=1_000_000))
_add("jp2 precincts 1×1, big", lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), levels=0, precincts=[0], packets=100))
_add(
    "jp2 precincts 2×2, big",
    lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), levels=1, precincts=[0x11, 0x11], packets=100),
)
_add(
    "jp2 precincts in the tile",
    lambda: _codestream((4000, 4000), (4000, 4000), packets=100, tile_head=_cod(1, 0, (0,))),
)
_add(
    "jp2 precincts by position",
    lambda: _codestream(
        (1000, 1000), (1000, 1000), levels=5, precincts=[0, *[0x11] * 5], progression=3, packets=400_000
    ),
)
_add(
    "jp2 precincts × layers",
    lambda: _codestream((500, 500), (500, 500), levels=0, precincts=[0x11], layers=1000, packets=1_000_000),
)
_add("jp2 blocks 4×4, big", lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), levels=0, block=(2, 2), packets=1))
_add("jp2 blocks 4×4, 2000 px", lambda: _codestream((2000, 2000), (2000, 2000), levels=3, block=(2, 2), packets=4))
_add("jp2 blocks 16×16, big", lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), levels=0, block=(4, 4), packets=1))
_add("jp2 blocks 64×64, big", lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), levels=5, block=(6, 6), packets=6))
_add(
    "jp2 big rgb, 9-7",
    lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), components=3, levels=5, block=(6, 6), packets=18, transform=0),
)
_add("jp2 big rgba", lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), components=4, levels=5, block=(6, 6), packets=24))
_add("jp2 tiles, big", lambda: _codestream((SIDE, SIDE), (64, 64), levels=5, block=(6, 6), packets=6))
_add(
    "jp2 orders",
    lambda: _codestream(
        (500, 500),
        (500, 500),
        levels=5,
        precincts=[0x11] * 6,
        packets=200_000,
        main=_marker(0x5F, b"".join(struct.pack(">BBHBBB", 0, 0, 1, 6, 1, o % 5) for o in range(31))),
    ),
)
_add("jp2 roi", lambda: _codestream((64, 64), (64, 64), main=_marker(0x5E, b"\0\0\xff")))
_add("jp2 comments", lambda: _codestream((64, 64), (64, 64), main=b"\xff\x64\0\4\0\1" * 3_000_000))
_add("jp2 comments in the tile", lambda: _codestream((64, 64), (64, 64), tile_head=b"\xff\x64\0\4\0\1" * 3_000_000))
_add(
    "jp2 lengths of packets",
    lambda: _codestream((64, 64), (64, 64), tile_head=_marker(0x58, b"\0" + b"\1" * 60_000) * 300),
)
_add("jp2 half components", lambda: _codestream((4000, 4000), (4000, 4000), sub=(255, 255)))
_add(
    "jp2 tile parts",
    lambda: (
        _codestream((64, 64), (64, 64), tiles=0)[:-2]
        + b"".join(struct.pack(">HHHIBB", 0xFF90, 10, 0, 14, i % 255, 0) + b"\xff\x93" for i in range(1_000_000))
        + b"\xff\xd9"
    ),
)
_add(
    "jp2 blocks 16×16, big, 12 bit",
    lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), levels=0, block=(4, 4), packets=1, depth=11),
)
_add(
    "jp2 blocks 64×64, big, 12 bit",
    lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), levels=5, block=(6, 6), packets=6, depth=11),
)
_add(
    "jp2 big rgb, 9-7, 12 bit",
    lambda: _codestream(
        (SIDE, SIDE), (SIDE, SIDE), components=3, levels=5, block=(6, 6), packets=18, depth=11, transform=0
    ),
)
_add(
    "jp2 big rgba, 12 bit",
    lambda: _codestream((SIDE, SIDE), (SIDE, SIDE), components=4, levels=5, block=(6, 6), packets=24, depth=11),
)
_add("jp2 tiles, big, 12 bit", lambda: _codestream((SIDE, SIDE), (64, 64), levels=5, block=(6, 6), packets=6, depth=11))


def _box(kind, body=b""):
    return struct.pack(">I4s", len(body) + 8, kind) + body


_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n" + _box(b"ftyp", b"jp2 \0\0\0\0jp2 ")


def _jp2(codestream, boxes=b"", inner=b""):
    head = _box(b"ihdr", struct.pack(">IIHBBBB", 64, 64, 1, 7, 7, 0, 0)) + _box(
        b"colr", b"\1\0\0" + struct.pack(">I", 17)
    )
    return _JP2 + _box(b"jp2h", head + inner) + boxes + _box(b"jp2c", codestream)


_add("jp2 boxes", lambda: _jp2(_codestream((64, 64), (64, 64)), _box(b"free") * 5_000_000))
_add("jp2 boxes within", lambda: _jp2(_codestream((64, 64), (64, 64)), inner=_box(b"free") * 5_000_000))
_add("jp2 boxes of headers", lambda: _JP2 + _box(b"jp2h") * 5_000_000)
_add(
    "jp2 another size in the box",
    lambda: _jp2(_codestream((64, 64), (64, 64))).replace(
        struct.pack(">II", 64, 64), struct.pack(">II", SIDE, SIDE), 1
    ),
)
_add(
    "jp2 palette",
    lambda: _jp2(
        _codestream((64, 64), (64, 64)),
        inner=_box(b"pclr", b"\4\0\3\7\7\7" + bytes(3072)) + _box(b"cmap", b"\0\0\1\0\0\0\1\1\0\0\1\2"),
    ),
)


# --------------------------------------------------------------------------------------------------------------- WebP


def _riff(*chunks):
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _vp8x(flags, width, height):
    return b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def _picture(side, mode="RGB", **options):
    """The chunk of a picture."""
    data = _saved(Image.new(mode, (side, side)), "WEBP", **options)
    (length,) = struct.unpack_from("<I", data, 16)
    return data[12:16], data[20 : 20 + length]


def _frame(side, chunk):
    kind, data = chunk
    place = bytes(6) + ((side - 1).to_bytes(3, "little") * 2) + b"\1\0\0\0"
    return b"ANMF", place + kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


_add(
    "webp frames",
    lambda: _riff(_vp8x(2, 8, 8), (b"ANIM", bytes(6)), *[_frame(8, _picture(8, lossless=True))] * 100_000),
)
_add(
    "webp frame beyond canvas",
    lambda: _riff(_vp8x(2, 8, 8), (b"ANIM", bytes(6)), _frame(SIDE, _picture(SIDE, lossless=True))),
)
_add(
    "webp frame that lies", lambda: _riff(_vp8x(2, 8, 8), (b"ANIM", bytes(6)), _frame(8, _picture(SIDE, lossless=True)))
)
_add("webp picture beyond canvas", lambda: _riff(_vp8x(0, 8, 8), _picture(SIDE, lossless=True)))
_add("webp canvas beyond picture", lambda: _riff(_vp8x(0, SIDE, SIDE), _picture(8, lossless=True)))
_add(
    "webp big canvas, animated",
    lambda: _riff(_vp8x(2, SIDE, SIDE), (b"ANIM", bytes(6)), _frame(8, _picture(8, lossless=True))),
)
_add("webp chunks", lambda: _riff(_vp8x(0, 8, 8), *[(b"abcd", b"")] * 2_000_000, _picture(8, lossless=True)))
_add("webp exif of 60 MB", lambda: _riff(_vp8x(8, 8, 8), _picture(8, lossless=True), (b"EXIF", bytes(60_000_000))))
_add(
    "webp xmp of 60 MB",
    lambda: _riff(_vp8x(4, 8, 8), _picture(8, lossless=True), (b"XMP ", b"tiff:Orientation" * 4_000_000)),
)
_add("webp big lossless", lambda: _saved(Image.new("RGBA", (SIDE, SIDE)), "WEBP", lossless=True))
_add("webp big lossy", lambda: _saved(Image.new("RGB", (SIDE, SIDE)), "WEBP"))


# --------------------------------------------------------------------------------------------------------------- AVIF


def _full(kind, body, version=0, flags=0):
    return _box(kind, struct.pack(">I", version << 24 | flags) + body)


def _avif_parts(side):
    """A file of one picture, and its coded bytes and configuration."""
    data = _saved(Image.new("RGB", (side, side)), "AVIF", speed=10)
    start = data.index(b"mdat") + 4
    config = data.index(b"av1C")
    return data, data[start:], data[config + 4 : config - 4 + struct.unpack_from(">I", data, config - 4)[0]]


def _avif(items, properties, associations, coded, references=b"", extents=None, primary=1):
    """An AVIF of items (id, kind)."""
    info = b"".join(_full(b"infe", struct.pack(">HH4s", number, 0, kind) + b"\0", 2) for number, kind in items)
    ipma = struct.pack(">I", len(associations)) + b"".join(
        struct.pack(">HB", number, len(found)) + bytes(found) for number, found in associations
    )

    def meta(offset):
        extent = lambda number: extents(number, offset) if extents else [(offset, len(coded))]  # noqa: E731
        location = (
            b"\x44\0"
            + struct.pack(">H", len(items))
            + b"".join(
                struct.pack(">HHH", number, 0, len(extent(number)))
                + b"".join(struct.pack(">II", *one) for one in extent(number))
                for number, _ in items
            )
        )
        return _full(
            b"meta",
            _full(b"hdlr", struct.pack(">I4s", 0, b"pict") + bytes(13))
            + _full(b"pitm", struct.pack(">H", primary))
            + _full(b"iloc", location)
            + _full(b"iinf", struct.pack(">H", len(items)) + info)
            + (_full(b"iref", references) if references else b"")
            + _box(b"iprp", _box(b"ipco", properties) + _full(b"ipma", ipma)),
        )

    head = _box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
    offset = len(head) + len(meta(0)) + 8
    return head + meta(offset) + _box(b"mdat", coded)


def _ispe(width, height):
    return _full(b"ispe", struct.pack(">II", width, height))


_PIXI = _full(b"pixi", b"\3\x08\x08\x08")


def _avif_that_lies(side, claimed):
    _, coded, config = _avif_parts(side)
    return _avif([(1, b"av01")], _ispe(claimed, claimed) + _PIXI + _box(b"av1C", config), [(1, [1, 2, 0x83])], coded)


def _avif_items(count):
    _, coded, config = _avif_parts(64)
    return _avif(
        [(number, b"av01") for number in range(1, count + 1)],
        _ispe(64, 64) + _PIXI + _box(b"av1C", config),
        [(1, [1, 2, 0x83])],
        coded,
    )


def _avif_grid(down, across, tile):
    _, coded, config = _avif_parts(tile)
    grid = bytes([0, 1, down - 1, across - 1]) + struct.pack(">II", across * tile, down * tile)
    count = down * across
    items = [(1, b"grid"), *((number, b"av01") for number in range(2, count + 2))]
    properties = _ispe(across * tile, down * tile) + _PIXI + _ispe(tile, tile) + _box(b"av1C", config)
    associations = [(1, [1, 2]), *((number, [3, 2, 0x84]) for number in range(2, count + 2))]
    references = _box(b"dimg", struct.pack(">HH", 1, count) + struct.pack(f">{count}H", *range(2, count + 2)))
    return _avif(
        items,
        properties,
        associations,
        coded + grid,
        references,
        lambda number, offset: [(offset + len(coded), len(grid))] if number == 1 else [(offset, len(coded))],
    )


def _avif_extents(count):
    _, coded, config = _avif_parts(64)
    return _avif(
        [(1, b"av01")],
        _ispe(64, 64) + _PIXI + _box(b"av1C", config),
        [(1, [1, 2, 0x83])],
        coded,
        extents=lambda _, offset: [(offset, len(coded))] * count,
    )


def _avif_sequence(frames):
    file = io.BytesIO()
    images = [Image.new("RGB", (16, 16), (i, 0, 0)) for i in range(3)]
    images[0].save(file, "AVIF", save_all=True, append_images=images[1:], speed=10)
    data = file.getvalue()
    # Its table of sizes claims one size for very many frames.
    place = data.index(b"stsz")
    (length,) = struct.unpack_from(">I", data, place - 4)
    stsz = _full(b"stsz", struct.pack(">II", 20, frames))
    return data[: place - 4] + stsz.ljust(length, b"\0")[:length] + data[place - 4 + length :]


_add("avif 9990 px, claims 8", lambda: _avif_that_lies(SIDE, 8))
_add("avif 64 px, claims 9990", lambda: _avif_that_lies(64, SIDE))
_add("avif 60,000 items", lambda: _avif_items(60_000))
_add("avif 4000 items", lambda: _avif_items(4000))
_add("avif grid 50×50", lambda: _avif_grid(50, 50, 64))
_add("avif grid 140×140", lambda: _avif_grid(140, 140, 64))
_add("avif extents", lambda: _avif_extents(60_000))
_add("avif sequence", lambda: _avif_sequence(1 << 30))
_add("avif sequence of 3 million", lambda: _avif_sequence(2_000_000))
_add("avif boxes", lambda: _box(b"ftyp", b"avif\0\0\0\0avif") + _box(b"free") * 3_000_000)
_add("avif boxes behind", lambda: _avif_that_lies(64, 64) + _box(b"free") * 4000)
_add("avif box of no length", lambda: _box(b"ftyp", b"avif\0\0\0\0avif") + b"\0\0\0\0meta" + bytes(1_000_000))
_add(
    "avif nested boxes",
    lambda: (
        _box(b"ftyp", b"avif\0\0\0\0avif")
        + b"".join(struct.pack(">I4sI", 12 * (4000 - i), b"meta", 0) for i in range(4000))
    ),
)
_add(
    "avif properties",
    lambda: _avif(
        [(1, b"av01")],
        (_ispe(64, 64) + _PIXI) * 2000 + _box(b"av1C", _avif_parts(64)[2]),
        [(1, [1, 2])],
        _avif_parts(64)[1],
    ),
)
_add("avif big rgba", lambda: _saved(Image.new("RGBA", (SIDE, SIDE)), "AVIF", speed=10))
_add("avif big", lambda: _saved(Image.new("RGB", (SIDE, SIDE)), "AVIF", speed=10))


# ----------------------------------------------------------------------------------------------------------- PNM, BMP


_add("pnm text", lambda: b"P2 5700 5700 255\n" + b"1 " * (5700 * 5700))
_add("pnm text, big", lambda: b"P2 9990 9990 255\n" + b"1 " * (9990 * 9990))
_add("pnm text rgb 16", lambda: b"P3 5700 5700 65535\n" + b"1 " * (5700 * 5700 * 3))
_add("pnm text bits", lambda: b"P1 9990 9990\n" + b"1" * (9990 * 9990))
_add("pnm text of spaces", lambda: b"P2 1700 1700 255\n" + b"1" + b" " * (1700 * 1700 * 60))
_add("pnm text that is too long", lambda: b"P2 8 8 255\n" + b"1 " * 100_000_000)
_add("pnm comments", lambda: b"P2 8 8 255\n" + b"#a\n" * 10_000_000 + b"1 " * 64)
_add("pnm comments, big", lambda: b"P2 1700 1700 255\n" + b"#\n" * (1700 * 1700 * 29) + b"1 " * (1700 * 1700))
_add("pnm comments in the header", lambda: b"P5" + b"#a\n" * 10_000_000 + b" 8 8 255\n" + bytes(64))
_add("pnm spaces in the header", lambda: b"P5" + b" " * 100_000_000 + b"x")
_add("pnm bits", lambda: b"P4 9990 9990\n" + bytes(9990 * 1249))
_add("pnm 16 bit", lambda: b"P6 9990 5000 4095\n" + bytes(9990 * 5000 * 6))


def _bmp(width, height, bits, compression, body, colours=0, palette=1024):
    offset = 54 + palette
    head = struct.pack(
        "<2sIIIIiiHHIIiiII",
        b"BM",
        offset + len(body),
        0,
        offset,
        40,
        width,
        height,
        1,
        bits,
        compression,
        len(body),
        0,
        0,
        colours,
        0,
    )
    return head + bytes(palette) + body


_add("bmp codes", lambda: _bmp(4, 4, 8, 1, b"\0\2\0\0" * 30_000_000))
_add("bmp runs of nothing", lambda: _bmp(SIDE, SIDE, 8, 1, b"\0\2\0\0" * 5_000_000 + b"\0\0" * SIDE + b"\0\1"))
_add("bmp big runs", lambda: _bmp(SIDE, SIDE, 8, 1, (b"\xff\0" * 39 + b"\x2d\0\0\0") * SIDE + b"\0\1"))
_add("bmp single runs", lambda: _bmp(4000, 4000, 8, 1, (b"\1\0" * 4000 + b"\0\0") * 4000 + b"\0\1"))
_add("bmp single runs, big", lambda: _bmp(SIDE, SIDE, 4, 2, (b"\1\0" * SIDE + b"\0\0") * SIDE + b"\0\1", palette=64))
_add(
    "bmp skipped to the end",
    lambda: _bmp(SIDE, SIDE, 8, 1, b"\0\2\0\xff" * 39 + b"\0\2\0\x2c" + (b"\xff\0" * 39 + b"\x2d\0\0\0") + b"\0\1"),
)
_add("bmp 1 bit", lambda: _bmp(SIDE, SIDE, 1, 0, bytes(SIDE * 1252), palette=8))
_add("bmp negative sizes", lambda: _bmp(-SIDE, -(1 << 31), 24, 0, b""))
_add(
    "bmp OS/2",
    lambda: (
        b"BM"
        + struct.pack("<III", 26 + 768, 0, 26 + 768)
        + struct.pack("<I4H", 12, SIDE, SIDE, 1, 8)
        + bytes(768)
        + bytes(SIDE * 9992)
    ),
)
_add("bmp 32 bit", lambda: _bmp(5000, 5000, 32, 0, bytes(100_000_000), palette=0))
