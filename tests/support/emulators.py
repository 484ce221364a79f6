"""Emulators of AWS as child processes on free loopback ports: ministack, and moto for what fails entry by entry.

They are fixtures of every test (`tests/conftest.py`). Each emulator is started once, by the first worker that needs it;
all workers share it. Names are unique across workers.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aiohttp import web
from botocore.config import Config

from tests.support.ports import unused_port
from tests.support.waiting import PATIENCE
from watcher.aws.sessions import Sessions
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.core.deliveries import Delivery
from watcher.core.events import Event, outage_event
from watcher.core.state import Outage
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from watcher.core.ports import Sink

    Sinks = Callable[..., Sink]
    Deliveries = Callable[..., list[Delivery]]
    Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Faulty = Callable[[Answering], Awaitable[str]]

REGION = "us-east-1"
MINISTACK = Path(__file__).parents[2] / ".venv-ministack" / "bin" / "ministack"
MOTO = Path(sys.executable).with_name("moto_server")
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
"""The name of the xdist worker that this process is."""

LIST_TABLES = "DynamoDB_20120810.ListTables"

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test-secret"}


@dataclass
class Emulator:
    """One emulator that answers, with ways to lay out what a sink needs and to read what arrived there."""

    url: str
    clients: dict[str, Any] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def client(self, service: str) -> Any:
        """A client of our own, to look from the other side."""
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service, region_name=REGION, endpoint_url=self.url, config=Config(max_pool_connections=1), **KEYS
            )
        return self.clients[service]

    def close(self) -> None:
        """Close the clients."""
        for client in self.clients.values():
            client.close()

    def name(self, suffix: str = "") -> str:
        """One that nothing else has."""
        return f"watched-{WORKER}-{next(self.numbers)}{suffix}"

    def queue(self, *, fifo: bool = False, **attributes: str) -> str:
        """A new queue's URL."""
        more = {"FifoQueue": "true"} if fifo else {}
        made = self.client("sqs").create_queue(
            QueueName=self.name(".fifo" if fifo else ""), Attributes=more | attributes
        )
        return str(made["QueueUrl"])

    def arn(self, queue: str) -> str:
        """A queue's ARN."""
        told = self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return str(told["Attributes"]["QueueArn"])

    def topic(self, queue: str, *, fifo: bool = False, **subscription: str) -> str:
        """The ARN of a new topic with the queue as its subscriber."""
        more = {"FifoTopic": "true"} if fifo else {}
        topic = self.client("sns").create_topic(Name=self.name(".fifo" if fifo else ""), Attributes=more)["TopicArn"]
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.arn(queue), Attributes=subscription)
        return str(topic)

    def bus(self, queue: str, pattern: dict[str, Any]) -> str:
        """A new bus's name, with a rule that sends what matches to the queue."""
        bus, rule = self.name(), self.name()
        events = self.client("events")
        events.create_event_bus(Name=bus)
        events.put_rule(Name=rule, EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "1", "Arn": self.arn(queue)}])
        return bus

    def received(self, queue: str, expected: int) -> list[dict[str, Any]]:
        """The queue's messages, once there are so many, and what else is there by then."""
        messages: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE
        while len(messages) < expected and time.monotonic() < deadline:
            messages += self.read(queue, wait=True)
        messages += self.read(queue, wait=False)
        assert len(messages) == expected, messages
        return messages

    def read(self, queue: str, *, wait: bool) -> list[dict[str, Any]]:
        """Up to ten messages, which are then gone."""
        sqs = self.client("sqs")
        told = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1 if wait else 0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = told.get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return messages


@contextmanager
def started(command: Sequence[str | Path], url: str, folder: Path, **environment: str) -> Iterator[Emulator]:
    """The emulator that a command starts at `url`, once it answers, until the block ends."""
    process = start(command, url, folder, **environment)
    emulator = Emulator(url)
    try:
        yield emulator
    finally:
        emulator.close()
        process.kill()
        process.wait()


def start(
    command: Sequence[str | Path], url: str, folder: Path, *, first: str = "", **environment: str
) -> subprocess.Popen[bytes]:
    """The process of an emulator that answers at `url`, to the operation `first` if there is one.

    An emulator loads a service at its first call, which on a busy machine takes longer than a daemon waits.
    """
    if not Path(command[0]).exists():
        pytest.fail(f"there is no {command[0]}: `make test` makes the environments that the tests need", pytrace=False)
    log = folder / "log"
    usual = {"PATH": os.environ["PATH"], "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=usual | environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    deadline = time.monotonic() + PATIENCE
    try:
        while not answers(url, first):
            assert process.poll() is None, f"{command[0]} ended: {log.read_text()}"
            assert time.monotonic() < deadline, f"{command[0]} does not answer: {log.read_text()}"
            time.sleep(0.02)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


@contextmanager
def shared(
    folder: Path, command: Callable[[str], Sequence[str | Path]], *, first: str = "", **environment: str
) -> Iterator[Emulator]:
    """The emulator of all processes that name this folder: the first starts it, and ends it when no other uses it.

    `command` makes the command of a port; `{port}` in the environment becomes the port; `first` is the operation that
    is called first. A process that uses the emulator has a shared lock, which the system takes back from one that is
    killed.
    """
    folder.mkdir(exist_ok=True)
    place, process = folder / "url", None
    with (folder / "users").open("ab") as users:
        with (folder / "starting").open("ab") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not place.exists():
                port = str(unused_port())
                here = {name: value.format(port=port) for name, value in environment.items()}
                process = start(command(port), f"http://127.0.0.1:{port}", folder, first=first, **here)
                place.write_text(f"http://127.0.0.1:{port}")
        emulator = Emulator(place.read_text())
        try:
            yield emulator
        finally:
            emulator.close()
            if process:
                fcntl.flock(users, fcntl.LOCK_EX)
                place.unlink()
                process.kill()
                process.wait()


def answers(url: str, operation: str) -> bool:
    """Whether a server there answers in HTTP, whatever the answer is."""
    request = urllib.request.Request(url, b"{}", {"X-Amz-Target": operation}) if operation else url  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310  the URL is our own
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def folder_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers share."""
    own = tmp_path_factory.getbasetemp()
    return own if WORKER == "main" else own.parent


@pytest.fixture(scope="session")
def ministack(folder_of_the_run: Path) -> Iterator[Emulator]:
    here = {"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": "{port}"}
    with shared(folder_of_the_run / "ministack", lambda _: [MINISTACK], first=LIST_TABLES, **here) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def moto(folder_of_the_run: Path) -> Iterator[Emulator]:
    with shared(folder_of_the_run / "moto", lambda port: [MOTO, "-H", "127.0.0.1", "-p", port]) as emulator:
        yield emulator


@pytest.fixture
async def sinks() -> AsyncIterator[Sinks]:
    """Makes the sinks that a configuration describes, at an emulator's URL, and closes them."""
    made: list[Sink] = []
    sessions = Sessions()

    def make(kind: str, url: str, **options: str) -> Sink:
        form = {
            "stacks": [{"name": "network"}],
            "accounts": [{"name": "default", "regions": [REGION], "endpoint_url": url}],
            "sinks": [{"name": "a-sink", "type": kind, **options}],
        }
        (settings,) = parse(Document("watcher.yaml", json.dumps(form).encode()), {}, lambda _: None).sinks
        made.append(settings.options.build(settings, sessions))
        return made[-1]

    yield make
    for sink in made:
        await sink.close()


@pytest.fixture
async def faulty() -> AsyncIterator[Faulty]:
    """Starts servers that answer as a test wants it: what no emulator does. Returns their URLs."""
    runners: list[web.AppRunner] = []

    async def start(answer: Answering) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runners.append(web.AppRunner(app, access_log=None, shutdown_timeout=0.1))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        host, port = runners[-1].addresses[0][:2]
        return f"http://{host}:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def deliveries() -> Deliveries:
    """Makes deliveries of real events, of one stack each, by the stacks' names."""

    def make(*names: str, account: str = "default", message: str = "no such stack", **more: Any) -> list[Delivery]:
        now = datetime(2026, 11, 23, 8, tzinfo=UTC)
        outage = Outage(now, "ResourceNotFoundException", message, 3)
        targets = [stack(account, REGION, name) for name in names]
        events = [outage_event(target, outage, sequence=1, now=now, over=False) for target in targets]
        return [Delivery(number, "a-sink", event, **more) for number, event in enumerate(events, 1)]

    return make


@pytest.fixture
def poison() -> Delivery:
    """A delivery whose event is no JSON, which no watcher makes: what a service refuses for good."""
    event = Event("0" * 32, "watcher.sync.failed", f"default/{REGION}/stack/poison", "2026-11-23T08:00:00Z", "{no JSON")
    return Delivery(99, "a-sink", event)
