"""What the matrix excuses, and why: cells that ours refuses, and cells that few other decoders read rightly."""

from typing import NamedTuple


class Refused(NamedTuple):
    """Cells that must be refused."""

    cells: str
    """Pattern that is searched in their names; the first row that matches counts."""
    status: str
    says: str
    """Pattern that is searched in the refusal."""
    why: str


class Fewer(NamedTuple):
    """Cells of which less than the wanted number of other decoders tell the right pixels."""

    cells: str
    count: int
    """How many do."""
    why: str


REFUSED = ()
FEWER = ()
