"""The generated organisation, by the real client: a role of each account sees what this account has, and no more."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.simulated_accounts import SYNC_TYPE, client_of
from tests.support.simulator import Simulator
from watcher.simulator.organisation import REGIONS, account_number, organisation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ACCOUNTS = [account_number(index) for index in range(12)]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    simulator = Simulator(organisation().at_pace(100))
    await simulator.start()
    yield simulator
    await simulator.stop()


async def test_the_roles_of_twelve_accounts_see_forty_repositories_and_a_thousand_stacks(simulator: Simulator) -> None:
    simulator.world.provide(repositories=[each for each in simulator.world.scenario.repositories if not each.absent])
    connections: set[tuple[str, str]] = set()
    stacks: Counter[tuple[str, str]] = Counter()
    links = 0
    async with client_of(simulator, "sts") as sts:
        for account in ACCOUNTS:
            answer = await sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/watcher", RoleSessionName="watcher")
            given = answer["Credentials"]
            keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
            for region in REGIONS:
                async with client_of(simulator, "codeconnections", region=region, keys=keys) as api:
                    found = (await api.list_repository_links(MaxResults=100))["RepositoryLinks"]
                    links += len(found)
                    for link in found:
                        asked = {"RepositoryLinkId": link["RepositoryLinkId"], **SYNC_TYPE}
                        listed = (await api.list_sync_configurations(MaxResults=100, **asked))["SyncConfigurations"]
                        stacks[account, region] += len(listed)
                        assert (await api.get_repository_sync_status(Branch="main", **asked))["LatestSync"]
                    for each in (await api.list_connections())["Connections"]:
                        connections.add((each["ConnectionName"], each["OwnerAccountId"]))
    assert links == 40
    assert 960 <= sum(stacks.values()) <= 1000, "a few are not created yet, or deleted"
    assert len(stacks) == 24
    assert connections == {("github", ACCOUNTS[0]), ("gitlab", ACCOUNTS[0])}
    listings = Counter(call.operation for call in simulator.calls)
    assert (listings["ListRepositoryLinks"], listings["ListSyncConfigurations"]) == (24, 40)


async def test_the_events_of_all_accounts_arrive_in_the_queue_of_the_first(simulator: Simulator) -> None:
    seen: set[str] = set()
    kinds: set[str] = set()
    async with client_of(simulator, "sqs") as sqs:
        url = (await sqs.get_queue_url(QueueName="git-sync", QueueOwnerAWSAccountId=ACCOUNTS[0]))["QueueUrl"]
        while len(seen) < len(ACCOUNTS):
            answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
            for message in answer["Messages"]:
                event = json.loads(message["Body"])
                seen.add(event["account"])
                kinds.add(event["detail-type"].split()[-4])
                await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert seen == set(ACCOUNTS)
    assert kinds == {"Repository", "Resource"}
