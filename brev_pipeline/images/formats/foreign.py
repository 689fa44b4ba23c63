"""Formats that are recognised only to name them in the refusal."""

import re

_FOREIGN_SIGNATURES = (
    (rb".{4}ftyp(heic|heix|hevc|mif1|msf1|miaf)", "HEIF"),
    (rb".{4}ftyp[ -~]{4}", "ISO base media (video, or a picture like HEIF)"),
    (rb"8BPS", "Photoshop"),
    (rb"%PDF", "PDF"),
    (rb"DDS ", "DDS texture"),
    (rb"qoif", "QOI"),
    (rb"\0\0\x01\0[^\0]\0", "icon (ICO)"),
    (rb"\0\0\x02\0[^\0]\0", "cursor (CUR)"),
    (rb"\x01\xda[\0\x01][\x01\x02]", "SGI"),
    (rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]", "PCX"),
    (rb"\x28\0\0\0.{8}\x01\0[\x01\x04\x08\x10\x18\x20]\0", "bare bitmap (DIB)"),
    (rb"#define\s", "XBM"),
    (rb"/\* XPM", "XPM"),
    (rb"P7\n", "PAM"),
    (rb"P[fF]\s", "PFM"),
    (rb"SIMPLE  =", "FITS"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"v/1\x01", "OpenEXR"),
    (rb"#\?RADIANCE", "Radiance HDR"),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "Windows metafile"),
    (rb"\s*<(\?xml|svg|!DOCTYPE|html)", "text (XML, SVG or a web page)"),
    (rb"PK\x03\x04", "ZIP"),
    (rb"\x1f\x8b", "gzip"),
)


def name_foreign_format(data: bytes) -> str | None:
    """What kind of file this is, if it is one of these."""
    head = data[:64]
    return next((kind for pattern, kind in _FOREIGN_SIGNATURES if re.match(pattern, head, re.DOTALL)), None)
