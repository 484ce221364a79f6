"""The targets of the browser tests: a few with most statuses, many, and some with hostile names and messages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.support.simulator import attempt
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.sources.codeconnections import stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from tests.support.simulator import Simulator
    from watcher.core.model import Target

REGION = "us-east-1"
HOUR = 3600.0

NETWORK = stack("prod", REGION, "network", labels={"team": "platform", "stage": "prod"})
ORDERS = stack("prod", REGION, "orders-db", labels={"team": "shop", "stage": "prod"})
LOST = stack("prod", REGION, "deleted-long-ago", labels={"team": "shop"})
FRESH = stack("sandbox", REGION, "playground", labels={"stage": "sandbox"})
FARGATE = template("prod", REGION, "ENVIRONMENT", "fargate-env", "1", labels={"team": "platform"})
WEB = template("sandbox", REGION, "SERVICE", "web", "2", labels={"team": "web"})
ALL = [NETWORK, ORDERS, LOST, FRESH, FARGATE, WEB]

TOLD = (
    {"type": "INFO", "event": "Commit 4be1d2a was pushed to example-org/infrastructure, branch main",
     "time": "2026-11-23T08:00:00Z"},
    {"type": "INFO", "event": "Fetching 4be1d2a from GitHub", "time": "2026-11-23T08:00:02Z"},
    {"type": "ERROR", "event": "Resource handler returned message: \"The security group 'sg-0a1b2c3d4e5f67890' has a "
     'dependent object" (Service: Ec2, Status Code: 400)', "time": "2026-11-23T08:01:09Z",
     "externalId": "arn:aws:cloudformation:us-east-1:111122223333:stack/orders-db/5d3c0b7e"},
)  # fmt: skip


def everything(simulator: Simulator) -> list[Target]:
    """Configure a target for most of the statuses, and return them."""
    show, now = simulator.world.show, time.time()
    show(NETWORK, attempt(NETWORK, SUCCEEDED, now - 5 * HOUR, "6d05c818" * 5))
    show(ORDERS, attempt(ORDERS, FAILED, now - 2 * HOUR, "4be1d2a0" * 5, events=TOLD))
    simulator.world.fault(LOST, "not_found")
    show(FRESH, None)
    show(FARGATE, attempt(FARGATE, SUCCEEDED, now - 30 * HOUR, "62c0f1e9" * 5))
    show(WEB, attempt(WEB, IN_PROGRESS, now - 40, "9a8b7c6d" * 5, events=("Fetching 9a8b7c6 from GitHub",)))
    return ALL


def green(simulator: Simulator, count: int = 4) -> list[Target]:
    """This many stacks, all of them succeeded."""
    stacks = [stack("prod", REGION, f"stack-{number}") for number in range(count)]
    for number, each in enumerate(stacks):
        simulator.world.show(each, attempt(each, SUCCEEDED, time.time() - HOUR * (number + 1)))
    return stacks


def many(simulator: Simulator, count: int = 2000) -> list[Target]:
    """Many targets in several accounts, some of them failed."""
    stacks = [
        stack(
            ("prod", "staging", "shared")[number % 3],
            REGION,
            f"service-{number:04}-{('api', 'db', 'worker')[number % 3]}",
            labels={"team": f"team-{number % 12}"},
        )
        for number in range(count)
    ]
    for number, each in enumerate(stacks):
        status = FAILED if number % 97 == 5 else IN_PROGRESS if number % 41 == 7 else SUCCEEDED
        events = (f"Parameter 'VpcId' of service-{number:04} has no value",) if status == FAILED else ()
        simulator.world.show(each, attempt(each, status, time.time() - 60 * (number + 1), events=events))
    return stacks


SCRIPT = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"
TURNED = "\u202egnp.exe\u202c \u0645\u0631\u062d\u0628\u0627 zero\u200bwidth\u200d"
ARABIC = "\u0645\u0631\u062d\u0628\u0627 stack (1)"
"""Marks that turn or hide text are refused in accounts' names; in messages they come as they are."""
LONG = "a-name-that-nobody-can-say-in-one-breath-" * 3


def hostile(simulator: Simulator) -> list[Target]:
    """Accounts' names, labels and messages as an enemy, or an accident, would have them.

    The name of the last stack is as long as AWS allows; the others do not exist.
    """
    names = {SCRIPT: "one", ARABIC: "two", "a/b?c#d%2F&e=f": "three", "prod": LONG[:100]}
    labels = {"<b>team</b>": SCRIPT, "text": ARABIC, "long": LONG}
    stacks = [stack(account, REGION, name, labels=labels) for account, name in names.items()]
    told = {"type": SCRIPT, "event": f"{SCRIPT} {TURNED} {LONG * 5}", "externalId": "javascript:window.ran=1"}
    failed = attempt(stacks[-1], FAILED, time.time() - 60, events=({**told, "time": "2026-11-23T08:00:00Z"},),
                     repository=f"org/{LONG}", branch=SCRIPT)  # fmt: skip
    simulator.world.show(stacks[-1], failed)
    return stacks
