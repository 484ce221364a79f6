"""A target's status as a badge for a README or a wiki. Pure."""

from collections.abc import Mapping
from html import escape

from watcher.core.status import Status

SYNC, CONNECTION = "sync", "connection"
"""The left half: what the status is of."""

COLOURS: Mapping[Status, str] = {
    Status.UNREADABLE: "#6e40aa",
    Status.FAILED: "#b3261e",
    Status.BLOCKED: "#8a5300",
    Status.UNAVAILABLE: "#8a5300",
    Status.STALLED: "#8a5300",
    Status.UNKNOWN: "#6e40aa",
    Status.NEVER_SYNCED: "#595f69",
    Status.NOT_SEEN: "#595f69",
    Status.ACTIVE: "#0b57d0",
    Status.SUCCEEDED: "#1a6e34",
    Status.AVAILABLE: "#1a6e34",
}
"""Backgrounds of white letters, each with a contrast of at least 4.5 to 1."""

LABEL_COLOUR = "#3c4043"

LETTER, MARGIN, HEIGHT = 6.6, 7, 20
"""Pixels; `textLength` makes each letter as wide as calculated here, in any font."""


def badge(status: Status, name: str, of: str = SYNC, reported: str = "") -> str:
    """The SVG; `name` is the target's name for screen readers, `reported` AWS's status of a connection."""
    value = (reported if status is Status.UNAVAILABLE else status.value).lower().replace("_", " ")
    left, right = _width(of), _width(value)
    label = escape(f"{name}: {of} {value}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{HEIGHT}" role="img" '
        f'aria-label="{label}"><title>{label}</title>'
        f'<rect width="{left + right}" height="{HEIGHT}" rx="3" fill="{LABEL_COLOUR}"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v{HEIGHT - 6}a3 3 0 0 1-3 3H{left}z" '
        f'fill="{COLOURS[status]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_text(MARGIN, of)}{_text(left + MARGIN, value)}</g></svg>\n"
    )


def _width(text: str) -> int:
    return round(len(text) * LETTER) + 2 * MARGIN


def _text(at: int, text: str) -> str:
    return f'<text x="{at}" y="14" textLength="{_width(text) - 2 * MARGIN}">{escape(text)}</text>'
