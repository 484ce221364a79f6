"""The schema of Adaptive Cards 1.5, stricter rules for the elements that watcher uses, and Teams' for a message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft6Validator, Draft202012Validator

CARD = Draft6Validator(json.loads((Path(__file__).parent / "vendor" / "adaptive-card-1.5.json").read_text()))
"""Microsoft's own schema (`vendor/README.md`)."""

_TEXT = {"type": "string", "minLength": 1}
_URL = {"type": "string", "format": "uri", "pattern": "^https?://"}
_SPACING = {"enum": ["default", "none", "small", "medium", "large", "extraLarge", "padding"]}
_LOOKS = {
    "color": {"enum": ["default", "dark", "light", "accent", "good", "warning", "attention"]},
    "fontType": {"enum": ["default", "monospace"]},
    "isSubtle": {"type": "boolean"},
    "size": {"enum": ["default", "small", "medium", "large", "extraLarge"]},
    "weight": {"enum": ["default", "lighter", "bolder"]},
}


def _element(name: str, *required: str, **properties: Any) -> dict[str, Any]:
    """An element with these properties and no others."""
    return {
        "type": "object",
        "required": ["type", *required],
        "properties": {"type": {"const": name}, "spacing": _SPACING, **properties},
        "additionalProperties": False,
    }


_TEXT_BLOCK = _element("TextBlock", "text", text=_TEXT, wrap={"type": "boolean"}, **_LOOKS)
_RUN = _element("TextRun", "text", text=_TEXT, **_LOOKS)
_RICH_TEXT = _element("RichTextBlock", "inlines", inlines={"type": "array", "minItems": 1, "items": _RUN})
_FACT = {
    "type": "object",
    "required": ["title", "value"],
    "properties": {"title": _TEXT, "value": _TEXT},
    "additionalProperties": False,
}
_FACTS = _element("FactSet", "facts", facts={"type": "array", "minItems": 1, "items": _FACT})
_LEAVES = [_TEXT_BLOCK, _RICH_TEXT, _FACTS]
_CONTAINER = _element(
    "Container",
    "items",
    items={"type": "array", "items": {"anyOf": _LEAVES}},
    style={"enum": ["default", "emphasis", "good", "attention", "warning", "accent"]},
)
_CARD = _element(
    "AdaptiveCard",
    "version",
    "body",
    version={"enum": ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"]},
    body={"type": "array", "items": {"anyOf": [*_LEAVES, _CONTAINER]}},
    actions={"type": "array", "maxItems": 6, "items": _element("Action.OpenUrl", "url", url=_URL, title=_TEXT)},
    fallbackText=_TEXT,
    **{"$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"}},
)
_ATTACHMENT = {
    "type": "object",
    "required": ["contentType", "content"],
    "properties": {
        "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
        "contentUrl": {"type": ["string", "null"]},
        "content": _CARD,
    },
    "additionalProperties": False,
}
TEAMS_MESSAGE = Draft202012Validator(
    {
        "type": "object",
        "required": ["type", "attachments"],
        "properties": {
            "type": {"const": "message"},
            "attachments": {"type": "array", "minItems": 1, "maxItems": 1, "items": _ATTACHMENT},
        },
        "additionalProperties": False,
    }
)
"""https://adaptivecards.io/explorer (the schema's elements, each with the properties that it may have), and
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#send-adaptive-cards-using-an-incoming-webhook
"""


def faults(message: Any) -> list[str]:
    """Return what is wrong with a message that is posted to Teams."""
    wrong = [error.message for error in TEAMS_MESSAGE.iter_errors(message)]
    return wrong or [error.message for error in CARD.iter_errors(message["attachments"][0]["content"])]
