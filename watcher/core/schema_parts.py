"""Parts of JSON Schemas."""

from typing import Any

TEXT = {"type": "string"}
TIME = {**TEXT, "format": "date-time", "pattern": "Z$"}
TEXT_OR_NULL = {"type": ["string", "null"], "description": "Null if AWS sent none."}
FLAG = {"type": "boolean"}


def described(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """Return a schema with a description."""
    return {**schema, "description": description}


def count(description: str, minimum: int = 1) -> dict[str, Any]:
    """Return the schema of a number of things."""
    return described({"type": "integer", "minimum": minimum}, description)


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def closed_object(optional: dict[str, Any] | None = None, /, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has `properties`, and may have `optional` ones."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
        "additionalProperties": False,
    }
