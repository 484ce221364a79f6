"""The base of the models of all mappings: only known keys, and the places where values were written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, ValidationInfo, WrapValidator, model_validator
from pydantic_core import PydanticOmit

from watcher.config.faults import Faults, walk
from watcher.config.tree import Keys, Node, Place, is_null

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


T = TypeVar("T")


class StrictModel(BaseModel):
    """A mapping with known keys. The validation context is the file's `Faults`.

    The docstrings of its fields are read for the JSON Schema alone (`json_schema`): reading them would take a tenth of
    the daemon's start.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,  # most models are only parts or bases of others
    )

    _written: Keys | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, make: Callable[[Any], Self], info: ValidationInfo) -> Self:
        """Report unknown keys, treat an optional key without a value as absent, and keep the place."""
        if not isinstance(value, Keys):
            return make(value)
        cls.report_unknown(value, faults_of(info))
        known = cls.known_keys()
        present = {name: given for name, given in value.items() if name in known and cls._is_given(known[name], given)}
        model = make(present)
        model._written = value  # noqa: SLF001  of this class
        return model

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        faults.report_unknown(value, cls.known_keys())

    @classmethod
    def known_keys(cls) -> Mapping[str, FieldInfo]:
        """Return the known keys, as they are written: `from` cannot be the name of a field."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @classmethod
    def _is_given(cls, field: FieldInfo, value: Any) -> bool:
        return field.is_required() or not is_null(value)

    @property
    def is_written(self) -> bool:
        """Whether it is in the file."""
        return self._written is not None

    def written(self, *path: str | int) -> Any:
        """Return the node at `path` (keys and indexes), or the last one on the path to it."""
        return self._written and walk(self._written, path)

    def place(self, *path: str | int) -> Place:
        """Return the place of that node."""
        node: Node | None = self.written(*path)
        return Place(1, 1, "") if node is None else node.place


def faults_of(info: ValidationInfo) -> Faults:
    """Return the faults of the file that is being validated."""
    return cast("Faults", info.context)


def sound(value: Node, read: Callable[[Any], T], info: ValidationInfo) -> T:
    """Return what `read` makes of an item of a list; the faults of a wrong one are reported, and it is left out."""
    try:
        return read(value)
    except ValidationError as error:
        faults_of(info).take(value, error)
        raise PydanticOmit from None


Sound = Annotated[T, WrapValidator(sound)]
"""An item of a list that is left out if it is wrong, so that checks across the other items still run."""
