"""What every mapping of the configuration shares: strict keys, and knowing where it was written."""

from __future__ import annotations

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

from watcher.config.tree import Items, Keys, Place, Text, is_null

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

    from watcher.config.faults import Faults


class StrictModel(BaseModel):
    """A mapping with known keys. The validation context is the file's `Faults`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    _written: Keys | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Report unknown keys, take an optional key without a value as absent, and remember the place."""
        if not isinstance(value, Keys):
            return handler(value)
        cls.report_unknown(value, faults_of(info))
        present = {name: given for name, given in value.items() if cls._is_given(name, given)}
        model = handler(present)
        model._written = value  # noqa: SLF001  our own, of the instance just made
        return model

    @classmethod
    def report_unknown(cls, value: Keys, faults: Faults) -> None:
        """Report the keys that do not belong here."""
        faults.report_unknown(value, cls.known_keys())

    @classmethod
    def known_keys(cls) -> Mapping[str, FieldInfo]:
        """The keys that belong here, as they are written: `from` cannot be a field's name."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @classmethod
    def _is_given(cls, name: str, value: Any) -> bool:
        field = cls.known_keys().get(name)
        if field is None:
            return False
        return field.is_required() or not is_null(value)

    @property
    def is_written(self) -> bool:
        """Whether it stands in the file at all."""
        return self._written is not None

    def place(self, key: str | None = None) -> Place:
        """Where the value of `key` was written, or, without it, the whole."""
        written = self._written
        if written is None:
            return Place(1, 1, "")
        return written.place if key is None or key not in written else _place(written[key])

    def as_written(self, key: str) -> Text:
        """The text value of `key`, which must have been given."""
        value: Text = (self._written or Keys())[key]
        return value

    def item_place(self, key: str, index: int) -> Place:
        """Where an item of the list at `key` was written."""
        items: Items = (self._written or Keys())[key]
        return _place(items[index])


def faults_of(info: ValidationInfo) -> Faults:
    """Where to report what pydantic itself cannot see."""
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
"""An item of a list that is left out when it is wrong, its faults reported: checks across the others still run."""
