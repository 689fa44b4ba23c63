"""Integrity: who is a copy of whom. Each image's identity is the MD5 of its bytes, and bytes decide.

`check_integrity` is the stage; the other functions put its findings into tables for people and suites.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
