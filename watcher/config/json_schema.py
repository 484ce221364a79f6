"""The JSON Schema of a configuration, made from the models that read it."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from watcher.config.schema import file_model
from watcher.config.strict_model import StrictModel
from watcher.core.kinds import Kind

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema


_NULL = {"type": "null"}


class _ForPeople(GenerateJsonSchema):
    """Leaves out titles that repeat the key, and defaults that are None or a section.

    An optional key without a value counts as absent (see `StrictModel`), so what has a default may be null.
    """

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(name).removesuffix("Model")

    def field_title_should_be_set(self, _: object) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = _or_null(self.generate_inner(schema["schema"]))
        default = schema.get("default")
        if default is None or isinstance(default, StrictModel):
            return inner
        return {**inner, "default": to_jsonable_python(default)}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Describe each key by the docstring of its field, unless the field has a description."""
        made, model = super().model_schema(schema), schema["cls"]
        bases = [base for base in reversed(model.__mro__) if issubclass(base, StrictModel)]
        for base in bases:
            # A class that was made from other models has no docstrings of its own.
            for name, text in _docstrings_in(base.__module__).get(base.__name__, {}).items():
                field = model.model_fields.get(name)
                if field is not None and field.description is None:
                    made["properties"][field.alias or name]["description"] = text
        return made


@cache
def _docstrings_in(module: str) -> Mapping[str, Mapping[str, str]]:
    """Return the docstrings of the annotated names of each class of a module."""
    body = ast.parse(inspect.getsource(sys.modules[module])).body
    return {each.name: dict(_documented(each)) for each in body if isinstance(each, ast.ClassDef)}


def _documented(definition: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for pair in pairwise(definition.body):
        match pair:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def _or_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    match schema:
        case {"anyOf": several}:
            return schema if _NULL in several else {**schema, "anyOf": [*several, _NULL]}
        case {"type": str(kind)} if not {"enum", "const"} & schema.keys():
            return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, _NULL]}


def json_schema(kinds: Mapping[str, Kind], sink_types: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration as a user writes it, variables included."""
    schema = file_model(tuple(kinds.values()), tuple(sink_types.items())).model_json_schema(schema_generator=_ForPeople)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "watcher"}


def json_schema_text(kinds: Mapping[str, Kind], sink_types: Mapping[str, str]) -> str:
    """Return the JSON Schema as the text of a file, the same every time."""
    return json.dumps(json_schema(kinds, sink_types), indent=2, ensure_ascii=False) + "\n"
