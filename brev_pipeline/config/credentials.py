"""Credentials that stand in an address: found, named without being repeated, and taken out of messages.

A configuration is written into every version's manifest, into Dagster's database and into logs. So no text of it may
hold a password (``https://user:secret@host``) or the signed query of a presigned address.
"""

import re
from typing import Any, Final

# Before the last @, and after a colon: anything that is not a port. A password with a slash in it makes no valid
# address, and is a password all the same; http://host:9000/a@b has none, and [::1] is a host. Repetitions are bounded,
# since the time for a hostile text would grow with the square of its length.
_USER_WITH_COLON = r"(?<=://)(?!\[)[^\s/@:]{0,200}:(?!\d{1,5}/)\S{0,1000}@"
# A token in place of the user. (git@host over ssh is none.)
_USER_ALONE = r"(?<=http://|ttps://)[^\s/@:?#]{1,1000}@"
_KEYS = (
    r"x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|(?:aws_?)?secret(?:_?access)?(?:_?key)?"
    r"|client_secret|signature|sig|(?:access_?|auth_?|id_?|sas_?)?token|(?:api|access|account)[_-]?key|passw(?:or)?d|pwd"
)
# A placeholder such as {key} is no value; *** is what `redact` leaves.
_SIGNED_QUERY = rf"(?<=[?&;#])(?:{_KEYS})=(?!(?:\{{\w*\}}|\*\*\*)(?:[\s&;#]|$))[^\s&;#]+"
_IN_ADDRESS: Final = re.compile(f"{_USER_WITH_COLON}|{_USER_ALONE}", re.IGNORECASE)
_IN_QUERY: Final = re.compile(_SIGNED_QUERY, re.IGNORECASE)
_BEFORE_HOST: Final = re.compile(r"^(?!\[)[^\s/@]+@")

ADVICE: Final = (
    "credentials do not belong into this file, which is copied into every version: the environment, a profile or a "
    "role gives them"
)
"""What to do instead."""


def is_host_field(name: object) -> bool:
    """Whether the value of a key is a host that may stand without a scheme."""
    return name in ("endpoint_url", "address")


def find_credentials(text: str, *, is_host: bool = False) -> str | None:
    """Say what credentials a text holds, without repeating them; None where it holds none.

    Args:
        text: an address, or a text in which addresses may stand.
        is_host: the text may be a host without scheme, as in ``user:secret@host``.
    """
    if _IN_ADDRESS.search(text) or (is_host and _BEFORE_HOST.search(text)):
        return f"holds a user or password before the host of an address; remove it: {ADVICE}"
    if query := _IN_QUERY.search(text):
        return f"holds the signed query of an address ({query[0].partition('=')[0]}=…); remove it: {ADVICE}"
    return None


def redact(text: str, *, is_host: bool = False) -> str:
    """The text without the credentials in it, *** in place of signatures; arguments as `find_credentials`."""
    if is_host:
        text = _BEFORE_HOST.sub("", text)
    return _IN_QUERY.sub(lambda query: query[0].partition("=")[0] + "=***", _IN_ADDRESS.sub("", text))


def redact_all(value: Any) -> Any:
    """A JSON-like value with `redact` applied to every text in it."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_all(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(redact_all(entry) for entry in value)
    return value
