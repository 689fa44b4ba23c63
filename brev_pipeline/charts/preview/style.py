"""Colours of the sheet."""

from typing import Final

PAPER: Final = "#f6f5f2"
CARD: Final = "#ffffff"
INK: Final = "#1d1f23"
SOFT: Final = "#6a6f78"
LINE: Final = "#d9d7d1"
ACCENT: Final = "#0b6e99"
