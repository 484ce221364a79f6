"""The keys of a queue of hints in the configuration."""

from typing import ClassVar

from pydantic import Field

from watcher.config import fields
from watcher.config.strict_model import StrictModel


class HintModel(StrictModel):
    """An SQS queue that receives EventBridge's events of Git sync: they make their targets due at once."""

    region_key: ClassVar[str] = "`regions` to the account"
    """Where the region can be written, for messages."""

    queue: fields.QueueUrl = Field(examples=["https://sqs.us-east-1.amazonaws.com/111122223333/git-sync"])
    """The queue's URL."""
    account: fields.Plain | None = None
    """The account that reads it, by its name under `accounts`. Default: the only one, or the one named `default`."""
