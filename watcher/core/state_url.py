"""The default of `state`, and its grammar for a table: `dynamodb://TABLE?region=…&endpoint_url=…`. Pure."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import parse_qsl, urlsplit

from watcher.util.units import parse_duration

SQLITE, SCHEME = "sqlite:///", "dynamodb://"
"""How `state` begins for a file and for a table."""

VARIABLE, DEFAULT = "WATCHER_STATE", "sqlite:///watcher.db"
"""The variable that names the store of a configuration without `state`, and the store if it is not set."""

FORM = "this must be dynamodb://TABLE, or dynamodb://TABLE?region=REGION&endpoint_url=URL"
"""The message about an address that cannot be parsed."""

MIN_TERM_SECONDS, MAX_TERM_SECONDS = 1.0, 300.0
"""The limits of `term`."""

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_REGION = re.compile(r"[a-z0-9-]+")
_KEYS = ("region", "endpoint_url", "leases", "term")


@dataclass(frozen=True, slots=True)
class Address:
    """A table and how it is reached; None: as the environment says (AWS_REGION, AWS_ENDPOINT_URL, …)."""

    table: str
    region: str | None = None
    endpoint_url: str | None = None
    leases: bool = True
    """False, for tests: every daemon holds every shard, and only conditional writes keep them apart."""
    term: float = 10.0
    """Seconds that a daemon must be silent before others take its shards; the same for all daemons of a table."""

    def __str__(self) -> str:
        return f"{SCHEME}{self.table}"


def parse_address(text: str) -> Address:
    """Return the table that `state` names.

    Raises:
        ValueError: `text` is not the address of a table; the message says why.
    """
    if not text.startswith(SCHEME):
        raise ValueError(FORM)
    table, _, query = text.removeprefix(SCHEME).partition("?")
    if not _TABLE.fullmatch(table):
        raise ValueError(f"{FORM}; a table's name has 3 to 255 letters, digits, dots, dashes and underscores")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ValueError(FORM) from None
    given = dict(pairs)
    strange = next((key for key in given if key not in _KEYS), None)
    if strange is not None:
        near = get_close_matches(strange, _KEYS)
        meant = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(_KEYS)}"
        raise ValueError(f"unknown key after the question mark; {meant}")
    if len(given) < len(pairs):
        raise ValueError(f"{FORM}; a key after the question mark is given twice")
    if "region" in given and not _REGION.fullmatch(given["region"]):
        raise ValueError("`region` must be a valid region name (example: us-east-1)")
    if "endpoint_url" in given and not _is_url(given["endpoint_url"]):
        raise ValueError(
            "`endpoint_url` must be the URL of a host without a user or a path (example: http://127.0.0.1:8000)"
        )
    if given.get("leases", "on") not in {"on", "off"}:
        raise ValueError("`leases` must be on or off; off is for tests")
    try:
        term = parse_duration(given.get("term", "10s"))
    except ValueError:
        term = 0.0
    if not MIN_TERM_SECONDS <= term <= MAX_TERM_SECONDS:
        raise ValueError("`term` must be a duration from 1s to 5m, the same for every daemon of the table")
    leases = given.get("leases") != "off"
    return Address(table, given.get("region"), given.get("endpoint_url"), leases=leases, term=term)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        whole = parts.path in {"", "/"} and not parts.query and not parts.fragment and "@" not in parts.netloc
        return whole and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
