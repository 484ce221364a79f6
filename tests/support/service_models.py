"""Whether an answer matches botocore's service model."""

from __future__ import annotations

from typing import Any

_TYPES: dict[str, type] = {"timestamp": float, "integer": int, "boolean": bool}


def conforms(shape: Any, value: Any, path: str = "") -> None:
    """Fail unless `value` matches the model: every required member, no unknown one, the right types and values."""
    rules = shape.metadata
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), f"{path}: unknown members {set(value) - set(shape.members)}"
        assert set(shape.required_members) <= set(value), f"{path}: missing members"
        for name, inner in value.items():
            conforms(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            conforms(shape.member, inner, f"{path}[]")
    elif shape.type_name == "map":
        for name, inner in value.items():
            conforms(shape.value, inner, f"{path}.{name}")
    else:
        assert isinstance(value, _TYPES.get(shape.type_name, str)), path
        if isinstance(value, str):
            assert rules.get("min", 0) <= len(value) <= rules.get("max", len(value)), path
        assert value in rules["enum"] if rules.get("enum") else True, path
