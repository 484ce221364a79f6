"""The base of the models of all mappings: only known keys, and the places where values were written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticOmit

from watcher.config.faults import Faults
from watcher.config.tree import Items, Keys, Place, Text, is_null

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class StrictModel(BaseModel):
    """A mapping with known keys. The validation context is the file's `Faults`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        defer_build=True,  # most models are only parts or bases of others
    )

    _written: Keys | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Report unknown keys, treat an optional key without a value as absent, and keep the place."""
        if not isinstance(value, Keys):
            return handler(value)
        cls.report_unknown(value, faults_of(info))
        known = cls.known_keys()
        present = {name: given for name, given in value.items() if name in known and cls._is_given(known[name], given)}
        model = handler(present)
        model._written = value  # noqa: SLF001  of this class
        return model

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        """Report unknown keys."""
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

    def place(self, key: str | None = None) -> Place:
        """Return where the value of `key` was written; without a key, the mapping."""
        written = self._written
        if written is None:
            return Place(1, 1, "")
        return written.place if key is None or key not in written else _place(written[key])

    def as_written(self, key: str) -> Text:
        """Return the text of `key`, which must have a value."""
        value: Text = (self._written or Keys())[key]
        return value

    def item_place(self, key: str, index: int) -> Place:
        """Return where an item of the list at `key` was written."""
        items: Items = (self._written or Keys())[key]
        return _place(items[index])


def faults_of(info: ValidationInfo) -> Faults:
    """Return the faults of the file that is being validated."""
    return cast("Faults", info.context)


def _place(node: Any) -> Place:
    place: Place = node.place
    return place


def _sound(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(value)
    except ValidationError as error:
        faults_of(info).take(value, error)
        raise PydanticOmit from None


T = TypeVar("T")
Sound = Annotated[T, WrapValidator(_sound)]
"""An item of a list that is left out if it is wrong, so that checks across the other items still run."""
