"""Names of attributes and events, and the keys ``date(name)`` and ``url(name)``."""

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from target_batch.sandbox.rules.limits import NAME_LENGTH

Kind = Literal["plain", "date", "url"]
"""Form of a key: a plain name, ``date(name)`` or ``url(name)``."""

NAME: Final = re.compile(rf"[a-z0-9_]{{1,{NAME_LENGTH}}}")
"""Valid names of custom attributes and events: lower-case letters, digits and underscores."""
_TYPED: Final = re.compile(r"(date|url)\((.*)\)", re.DOTALL)


class Key(NamedTuple):
    """The parsed key of an attribute.

    Attributes:
        name: The attribute's name.
        kind: The kind of value that the key declares.
        violation: Why the name is refused, or None.
    """

    name: str
    kind: Kind
    violation: str | None


def name_violation(name: str) -> str | None:
    """Return why Batch refuses the name of an attribute or event, or None."""
    if NAME.fullmatch(name):
        return None
    return f"a name is 1 to {NAME_LENGTH} characters of a-z, 0-9 and _"


@lru_cache(maxsize=4096)
def split_key(key: str) -> Key:
    """Parse the key of a custom attribute."""
    typed = _TYPED.fullmatch(key)
    if not typed:
        return Key(key, "plain", name_violation(key))
    kind: Kind = "date" if typed[1] == "date" else "url"
    return Key(typed[2], kind, name_violation(typed[2]))
