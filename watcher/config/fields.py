"""The types of single values: each is a reader (see `readers`), and the JSON Schema of the same rule."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, WithJsonSchema

from watcher.aws.service_models import REGION
from watcher.config import readers, url_readers
from watcher.config.listen_address import listen_address
from watcher.config.readers import accepted, duration_from, matching, one_of
from watcher.config.tree import Text
from watcher.config.variables import VARIABLE
from watcher.core.kinds import IdentityPart
from watcher.core.model import FirstSeen
from watcher.util import units


def lasting(written: str) -> Any:
    """Return a field with a default duration: in seconds for the program, as text in the JSON Schema."""
    return Field(default=units.parse_duration(written), json_schema_extra={"default": written})


def or_off(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what `schema` allows, and of `off`."""
    return {"anyOf": [schema, {"enum": [False, "off"]}]}


def or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what `schema` allows, and of a text with a variable in it."""
    return {"anyOf": [schema, {"type": "string", "pattern": VARIABLE}]}


@dataclass(frozen=True)
class SchemaOf:
    """An annotation for pydantic: `change` turns the JSON Schema of the annotated type into another."""

    change: Callable[[dict[str, Any]], dict[str, Any]]

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return self.change(handler(schema))


def text_schema(pattern: str | None = None, **more: Any) -> WithJsonSchema:
    """Return the JSON Schema of a text; one with a pattern may have a variable instead."""
    schema: dict[str, Any] = {"type": "string", **more}
    return WithJsonSchema(or_variable(schema | {"pattern": pattern}) if pattern else schema)


def choice_schema(words: Iterable[str]) -> WithJsonSchema:
    """Return the JSON Schema of one of these words."""
    return WithJsonSchema(or_variable({"enum": list(words)}))


def number_schema(kind: Literal["integer", "number"], least: float, most: float) -> WithJsonSchema:
    """Return the JSON Schema of what `readers.number` reads."""
    return WithJsonSchema(or_variable({"type": kind, "minimum": least, "maximum": most}))


PAGE_URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@ ]+(/[^?# ]*)?$"
"""A URL as `HTTP_URL`, but without a query and a fragment."""
HTTP_URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+([/?#].*)?$"
"""A URL of a host without a user, in the dialect that Python and JSON Schema share."""
_ROLE = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[0-9A-Za-z_+=,.@/-]+$"
_DURATION: dict[str, Any] = {"type": "string", "pattern": units.DURATION}
DURATION_SCHEMA = WithJsonSchema(or_variable(_DURATION) | {"examples": ["500ms", "30s", "5m", "1h30m"]})
_TIME: dict[str, Any] = {"type": "string", "pattern": readers.TIME}
Plain = Annotated[str, PlainValidator(readers.single_line), text_schema(minLength=1)]
OwnName = Annotated[str, PlainValidator(readers.own_name), text_schema(minLength=1, maxLength=readers.MAX_NAME_LENGTH)]
"""The name of an account or a sink, given in the configuration."""
LabelValue = Annotated[str, PlainValidator(readers.label_value), text_schema()]
Secret = Annotated[SecretStr, PlainValidator(readers.secret), text_schema(minLength=1)]
Token = Annotated[SecretStr, PlainValidator(readers.token), text_schema(r"^\S(.*\S)?$")]
ExternalId = Annotated[SecretStr, PlainValidator(readers.external_id), text_schema(minLength=2)]
Region = Annotated[str, PlainValidator(readers.region), text_schema(REGION)]
_role_arn = matching(_ROLE, "role ARN (example: arn:aws:iam::111122223333:role/watcher)")
RoleArn = Annotated[
    str,
    PlainValidator(accepted("sts", "AssumeRole", "RoleArn", what="a role ARN", read=_role_arn)),
    text_schema(_ROLE),
]
Url = Annotated[str, PlainValidator(url_readers.endpoint_url), text_schema(HTTP_URL)]
PublicUrl = Annotated[str, PlainValidator(url_readers.page_url), text_schema(PAGE_URL)]
QueueUrl = Annotated[
    str,
    PlainValidator(
        matching(url_readers.QUEUE, "queue URL (example: https://sqs.us-east-1.amazonaws.com/111122223333/syncs)")
    ),
    text_schema(url_readers.QUEUE),
]
State = Annotated[str, PlainValidator(url_readers.state_url), text_schema(r"^(sqlite:///.+|dynamodb://.+|memory://)$")]
Listen = Annotated[str, PlainValidator(listen_address), text_schema(r"^.+:[0-9]{1,5}$")]
Interval = Annotated[float, PlainValidator(duration_from(0.1)), DURATION_SCHEMA]
Duration = Annotated[float, PlainValidator(duration_from(0)), DURATION_SCHEMA]
Rate = Annotated[float, PlainValidator(readers.number(0.1, 1000, whole=False)), number_schema("number", 0.1, 1000)]
Share = Annotated[float, PlainValidator(readers.number(0, 1, whole=False)), number_schema("number", 0, 1)]
Concurrency = Annotated[int, PlainValidator(readers.number(1, 1000, whole=True)), number_schema("integer", 1, 1000)]
Count = Concurrency
Tries = Annotated[int, PlainValidator(readers.number(1, 20, whole=True)), number_schema("integer", 1, 20)]
Boolean = Annotated[bool, PlainValidator(readers.boolean), WithJsonSchema(or_variable({"type": "boolean"}))]
OnFirstSeen = Annotated[FirstSeen, PlainValidator(one_of(list(FirstSeen))), choice_schema(FirstSeen)]
Moment = Annotated[datetime, PlainValidator(readers.moment), WithJsonSchema(or_variable(_TIME))]
MomentOrAge = Annotated[
    datetime | float,
    PlainValidator(readers.moment_or_age),
    WithJsonSchema(or_variable({"anyOf": [_DURATION, _TIME]})),
]
"""A time, or the seconds of a duration before now."""
HEADER_NAME_SCHEMA = WithJsonSchema({"type": "string", "pattern": url_readers.HEADER_NAME})


def part_schema(part: IdentityPart) -> WithJsonSchema:
    """Return the JSON Schema of what `part_reader` reads."""
    if part.choices:
        return choice_schema(part.choices)
    if not part.number:
        return text_schema(minLength=1)
    number = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^(0|[1-9][0-9]*)$"}]}
    return WithJsonSchema(or_variable(number))


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, Text) else value


T = TypeVar("T")
OneOrMany = Annotated[tuple[T, ...], BeforeValidator(_as_list), SchemaOf(lambda many: {"anyOf": [many["items"], many]})]
"""A list; a single value counts as a list of one."""

Name = TypeVar("Name", bound=str)
Headers = Annotated[dict[Name, Secret], AfterValidator(url_readers.distinct)]
"""The headers that a user adds to requests; they may have a token in them."""
