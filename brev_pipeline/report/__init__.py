"""The report: a version told to a person who has never seen the pipeline, as one page that needs nothing but itself.

`build_report` takes the version's tables and manifest and gives the page's files. Each section of the page is a
function (`inventory_section`, `copies_section`, `split_section`, …) that turns tables into a small frozen object; the
templates lay these objects out and decide nothing. Pictures go through one `ThumbnailCache`, so that pixels are read
once and the page keeps to its size. Tables are read as `rows` says, a column at a time, so that memory follows from a
column or two and not from a table. What a bucket's owner may have written into names passes `text` on its way to the
page: it is escaped, and stripped of credentials.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
