"""A target's status as a badge."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from watcher.core.status import Status
from watcher.web.badge import COLOURS, CONNECTION, LABEL_COLOUR, badge

SVG = "{http://www.w3.org/2000/svg}"


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [*COLOURS.values(), LABEL_COLOUR])
def test_white_letters_can_be_read_on_it(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


@pytest.mark.parametrize("standing", [each for each in Status if "available" not in each])
def test_it_says_how_the_target_stands(standing: Status) -> None:
    picture = ET.fromstring(badge(standing, "network"))  # noqa: S314  ours
    said = f"network: sync {standing.value.replace('_', ' ')}"
    assert picture.get("role") == "img"
    assert picture.findtext(f"{SVG}title") == said == picture.get("aria-label")
    assert [text.text for text in picture.iter(f"{SVG}text")] == ["sync", standing.value.replace("_", " ")]


@pytest.mark.parametrize(
    ("standing", "reported", "value"),
    [
        (Status.UNAVAILABLE, "PENDING", "pending"),
        (Status.UNAVAILABLE, "ERROR", "error"),
        (Status.AVAILABLE, "AVAILABLE", "available"),
        (Status.UNREADABLE, "PENDING", "unreadable"),
    ],
)
def test_of_a_connection_it_has_the_status_that_aws_reported(standing: Status, reported: str, value: str) -> None:
    picture = ET.fromstring(badge(standing, "github", CONNECTION, reported))  # noqa: S314  ours
    assert picture.findtext(f"{SVG}title") == f"github: connection {value}"
    assert [text.text for text in picture.iter(f"{SVG}text")] == ["connection", value]


def test_a_hostile_name_is_text() -> None:
    name = "<script>alert(1)</script>\"'&"
    picture = ET.fromstring(badge(Status.FAILED, name))  # noqa: S314  ours
    assert picture.findtext(f"{SVG}title") == f"{name}: sync failed"
    assert {each.tag.removeprefix(SVG) for each in picture.iter()} == {"svg", "title", "rect", "path", "g", "text"}
