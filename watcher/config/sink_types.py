"""Reads the list `sinks`: each item by the model of its type, which is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, ValidationInfo
from pydantic_core import PydanticOmit, core_schema

from watcher.config.faults import Faults, choice, suggestion
from watcher.config.readers import meant_as_text, quoted
from watcher.config.sink_model import SinkModel
from watcher.config.strict_model import faults_of
from watcher.config.tree import Keys, Node

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue


class SinkTypes:
    """An annotation for pydantic: a sink of one of the registered types."""

    def __init__(self, registered: Mapping[str, str]) -> None:
        """Take the place of each type's model: `package.module:Class`."""
        self._registered = registered

    def model(self, name: str) -> type[SinkModel]:
        """Import and return the model of a type."""
        model: type[SinkModel] = resolve_name(self._registered[name])
        return model

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Validate with `_read`."""
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe a sink of any type."""
        schemas = {name: handler(self.model(name).__pydantic_core_schema__) for name in self._registered}
        return {"anyOf": [{**schema, "title": name} for name, schema in schemas.items()]}

    def _read(self, value: Node, info: ValidationInfo) -> SinkModel:
        """The sink that `value` describes; the faults of a wrong one are reported, and it is left out."""
        faults = faults_of(info)
        model = self._model_for(value, faults)
        if isinstance(value, Keys):
            self._report_unknown(value, model, faults)
        try:
            return model.model_validate(value, context=faults)
        except ValidationError as error:
            faults.take(value, error)
            raise PydanticOmit from None

    def _model_for(self, value: Node, faults: Faults) -> type[SinkModel]:
        """The model of the type that `value` names; without a type, of what all sinks have."""
        if not isinstance(value, Keys) or "type" not in value:
            return SinkModel
        written = value["type"]
        try:
            name = meant_as_text(written)
        except ValueError as error:
            fault = str(error)
        else:
            if name in self._registered:
                return self.model(name)
            fault = f"there is no sink of type {quoted(written)}; {choice(name, self._registered)}"
        if not written.broken:
            faults.report(written.place, fault)
        raise PydanticOmit

    def _report_unknown(self, value: Keys, model: type[SinkModel], faults: Faults) -> None:
        """Report the keys that a sink of this type does not have; without a type, those that no sink has."""
        keys = model.known_keys().keys()
        if value.keys() <= keys:
            return
        by_type = {name: self.model(name).known_keys() for name in self._registered}
        if model is SinkModel:
            keys = dict.fromkeys(key for known in by_type.values() for key in known).keys()
        elsewhere = set()
        for key in value.keys() - keys:
            types = [name for name, known in by_type.items() if key in known]
            if types and not suggestion(key, keys):
                faults.report(value.key_places[key], f"this key is only for sinks of type {' and '.join(types)}")
                elsewhere.add(key)
        faults.report_unknown(value, keys, reported=elsewhere)
