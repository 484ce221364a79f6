"""What each service is asked for, and how its answer is read. A `read` returns None if nothing has changed."""

from typing import Any, ClassVar, Protocol

from watcher.aws.responses import body_of
from watcher.errors import MALFORMED, EndpointUnreadable


class RemoteText(Protocol):
    """A text at a service, which may keep between readings what it needs to ask for a newer one."""

    permissions: ClassVar[str]
    """What the credentials must be allowed to do, for messages."""
    pause: float | None
    """The seconds that the service wants between two readings; None: it does not say."""

    async def read(self, api: Any) -> bytes | None:
        """Return the text, or None if it is the one that was returned last."""

    def forget(self) -> None:
        """Ask for the whole text next."""


class Parameter:
    """A parameter of SSM, which is sent whole at each reading, with its version."""

    permissions = "ssm:GetParameter, and kms:Decrypt for a SecureString with a key of your own"
    pause = None

    def __init__(self, name: str) -> None:
        self._name = name
        self._version: tuple[object, object] | None = None

    async def read(self, api: Any) -> bytes | None:
        answer = await api.get_parameter(Name=self._name, WithDecryption=True)
        found = body_of(answer["body"], answer["content_type"]).get("Parameter")
        if not isinstance(found, dict) or not isinstance(value := found.get("Value"), str):
            raise _malformed("parameter")
        # A parameter that was deleted and created again has its old versions once more.
        before, self._version = self._version, (found.get("Version"), found.get("LastModifiedDate"))
        return None if before == self._version and None not in before else value.encode("utf-8", "surrogatepass")

    def forget(self) -> None:
        self._version = None


class StoredObject:
    """An object of S3, which is sent if it has another ETag than the last one."""

    permissions = "s3:GetObject"
    pause = None

    def __init__(self, bucket: str, key: str) -> None:
        self._place = {"Bucket": bucket, "Key": key}
        self._etag: str | None = None

    async def read(self, api: Any) -> bytes | None:
        condition = {} if self._etag is None else {"IfNoneMatch": self._etag}
        try:
            answer = await api.get_object(**self._place, **condition)
        except api.exceptions.ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 304:
                return None
            raise
        content: bytes = await answer["Body"].read()
        if not (etag := answer.get("ETag")):
            raise _malformed("ETag")
        self._etag = etag
        return content

    def forget(self) -> None:
        self._etag = None


class ConfigurationProfile:
    """A profile of AppConfig. Each answer has the token of the next question, which is good for one call."""

    permissions = "appconfig:StartConfigurationSession and appconfig:GetLatestConfiguration"

    def __init__(self, application: str, environment: str, profile: str) -> None:
        self._profile = {
            "ApplicationIdentifier": application,
            "EnvironmentIdentifier": environment,
            "ConfigurationProfileIdentifier": profile,
        }
        self._token: str | None = None
        self.pause: float | None = None

    async def read(self, api: Any) -> bytes | None:
        # A token whose answer was lost cannot be used again: only an answer has the next one.
        token, self._token = self._token, None
        begins = token is None
        if token is None:
            token = (await api.start_configuration_session(**self._profile)).get("InitialConfigurationToken")
            if not token:
                raise _malformed("token")
        answer = await api.get_latest_configuration(ConfigurationToken=token)
        content: bytes = await answer["Configuration"].read()
        if not (following := answer.get("NextPollConfigurationToken")):
            raise _malformed("token")
        self._token = following
        self.pause = float(answer.get("NextPollIntervalInSeconds") or 0.0) or None
        return content if content or begins else None

    def forget(self) -> None:
        self._token = None


def _malformed(lacking: str) -> EndpointUnreadable:
    """The failure for an answer that is not the service's, such as a proxy's page."""
    return EndpointUnreadable(MALFORMED, f"the answer has no {lacking}", passing=True)


TEXTS: dict[str, Any] = {"ssm": Parameter, "s3": StoredObject, "appconfigdata": ConfigurationProfile}
"""The class for each service, made from the parts of an address."""
