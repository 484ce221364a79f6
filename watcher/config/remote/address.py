"""The places in AWS that a configuration can be read from: `ssm:…`, `s3://…` and `appconfig:…`. Pure."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

PREFIXES = {"ssm:": "ssm", "s3://": "s3", "appconfig:": "appconfigdata"}
"""How a place begins, and botocore's name of its service."""

_FORMS = {
    "ssm": (r"(\S+)", "ssm:NAME (example: ssm:/watcher/config, or ssm:/watcher/config:3 for a version or a label)"),
    "s3": (r"([^/\s]+)/(\S.*)", "s3://BUCKET/KEY (example: s3://example-bucket/watcher.yaml)"),
    "appconfigdata": (
        r"([^/]+)/([^/]+)/([^/]+)",
        "appconfig:APPLICATION/ENVIRONMENT/PROFILE, each a name or an id (example: appconfig:watcher/prod/main)",
    ),
}


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """One place: `parts` are the values that its service asks for."""

    text: str
    service: str
    parts: tuple[str, ...]

    @property
    def region(self) -> str | None:
        """The region that the place itself names, as an ARN does; None: it is the ambient one."""
        fields = self.parts[0].split(":")
        return fields[3] if fields[0] == "arn" and len(fields) > 5 and fields[3] else None


def is_remote(text: str) -> bool:
    """Whether `text` names a place in AWS, and not a file."""
    return text.startswith((*PREFIXES,))


def meant(text: str) -> str | None:
    """Return the place in AWS that a misspelt one probably names; None: it looks like none."""
    scheme, colon, rest = text.partition(":")
    prefixes = {prefix.partition(":")[0]: prefix for prefix in PREFIXES}
    close = get_close_matches(scheme.lower(), prefixes, n=1, cutoff=0.7)
    if not colon or not close:
        return None
    prefix = prefixes[close[0]]
    return prefix + (rest.lstrip("/") if prefix.endswith("//") else rest)


def parse_remote(text: str) -> RemoteAddress:
    """Return the place that `text` names.

    Raises:
        ValueError: it does not have the form of its kind; the message says which.
    """
    prefix, service = next((prefix, each) for prefix, each in PREFIXES.items() if text.startswith(prefix))
    pattern, form = _FORMS[service]
    found = re.fullmatch(pattern, text.removeprefix(prefix))
    if found is None or not text.isprintable():
        raise ValueError(f"this must be {form}")
    return RemoteAddress(text, service, found.groups())
