"""The section `heartbeat`, as a user writes it."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, SecretStr, field_validator

from watcher.config import fields
from watcher.config.fields import HTTP_URL, lasting, text_schema
from watcher.config.readers import duration_from, one_of
from watcher.config.receiver_model import ReceiverModel, may_be_reached
from watcher.config.url_readers import header_name, secret_url
from watcher.core.heartbeat import REASON, Heartbeat, fail_url_of

_METHODS = ("GET", "POST")

_url = secret_url("https://hc-ping.com/6053346f-8a33-4edb-9397-10394b695173")


def _fail_url(value: object) -> SecretStr:
    url = _url(value)
    if REASON in urlsplit(url.get_secret_value()).netloc:
        raise ValueError(f"{REASON} must be in the path or the query of this URL")
    return url


HeaderName = Annotated[str, PlainValidator(header_name("the heartbeat")), fields.HEADER_NAME_SCHEMA]
Every = Annotated[float, PlainValidator(duration_from(1)), fields.DURATION_SCHEMA]
Method = Annotated[Literal["GET", "POST"], PlainValidator(one_of(_METHODS)), fields.choice_schema(_METHODS)]


class HeartbeatModel(ReceiverModel):
    """A sign of life for an outside monitor, which raises the alarm when it stays away."""

    url: Annotated[SecretStr, PlainValidator(_url), text_schema(HTTP_URL)] = Field(examples=["${HEARTBEAT_URL}"])
    """The URL that is requested while watcher does its work. A secret: take it from a variable."""
    fail_url: Annotated[SecretStr, PlainValidator(_fail_url), text_schema(HTTP_URL)] | None = Field(
        default=None, examples=["${HEARTBEAT_URL}/fail"]
    )
    """The URL that gets the reason otherwise, as the body and where it has {reason}. Default: `url` with /fail."""
    every: Every = lasting("1m")
    """The time between two requests; at least 1s."""
    stale_after: fields.Duration = lasting("15m")
    """A sink whose oldest pending event is older than this does not do its work."""
    method: Method | None = None
    """The method of all requests. Default: GET to `url`, POST to `fail_url`."""
    headers: fields.Headers[HeaderName] = Field(default={}, examples=[{"Authorization": "Bearer ${TOKEN}"}])
    """Headers of every request. Secrets: take them from variables."""

    _may_be_reached = field_validator("url", "fail_url", mode="after")(may_be_reached)

    def heartbeat(self) -> Heartbeat:
        fail_url = self.fail_url or SecretStr(fail_url_of(self.url.get_secret_value()))
        return Heartbeat(**self.model_dump(exclude={"fail_url"}), fail_url=fail_url)
