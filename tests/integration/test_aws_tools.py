"""The simulator by AWS's own tools: the command line, and the SDK for JavaScript.

Neither belongs to the development environment: without them these tests are skipped. `AWS_CLI` names the command, and
`AWS_SDK_MODULES` the `node_modules` folder that has the packages of the SDK.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.simulator import Simulator
from tests.support.waiting import PATIENCE
from watcher.simulator.organisation import REGIONS, account_number, organisation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CLI = os.environ.get("AWS_CLI", "")
MODULES = os.environ.get("AWS_SDK_MODULES", "")
REGION = REGIONS[0]
ACCOUNT = account_number(0)

needs_cli = pytest.mark.skipif(not CLI, reason="AWS_CLI does not name the AWS CLI")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    made = organisation()
    simulator = Simulator(made)
    simulator.world.scenario.accounts["AKIAORG"] = ACCOUNT  # type: ignore[index]
    await simulator.start()
    yield simulator
    await simulator.stop()


def environment(simulator: Simulator, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "HOME": str(home),
        "AWS_ENDPOINT_URL": simulator.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "AKIAORG",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


async def output_of(*command: str, env: dict[str, str]) -> tuple[int, str, str]:
    child = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await child.communicate()
    return child.returncode or 0, out.decode(), err.decode()


async def aws(simulator: Simulator, home: Path, *arguments: str) -> Any:
    # The command line ignores AWS_ENDPOINT_URL for SQS.
    fixed = ("--output", "json", "--endpoint-url", simulator.url)
    code, out, err = await output_of(CLI, *arguments, *fixed, env=environment(simulator, home))
    assert code == 0, err
    return json.loads(out or "{}")


@needs_cli
async def test_the_command_line_lists_everything(simulator: Simulator, tmp_path: Path) -> None:
    connections = await aws(simulator, tmp_path, "codeconnections", "list-connections")
    assert {each["ConnectionStatus"] for each in connections["Connections"]} == {"AVAILABLE", "PENDING"}
    links = (await aws(simulator, tmp_path, "codestar-connections", "list-repository-links"))["RepositoryLinks"]
    assert len(links) == 2
    link = links[0]["RepositoryLinkId"]
    asked = ("--sync-type", "CFN_STACK_SYNC", "--repository-link-id", link)
    found = await aws(simulator, tmp_path, "codeconnections", "list-sync-configurations", *asked)
    assert len(found["SyncConfigurations"]) > 20
    status = await aws(simulator, tmp_path, "codeconnections", "get-repository-sync-status", *asked, "--branch", "main")
    assert status["LatestSync"]["Status"]
    name = found["SyncConfigurations"][0]["ResourceName"]
    stack = ("--sync-type", "CFN_STACK_SYNC", "--resource-name", name)
    summary = await aws(simulator, tmp_path, "codeconnections", "get-sync-blocker-summary", *stack)
    assert summary["SyncBlockerSummary"]["ResourceName"] == name
    templates = await aws(simulator, tmp_path, "proton", "list-environment-templates")
    assert templates == {"templates": []}


@needs_cli
async def test_the_command_line_uses_the_queue(simulator: Simulator, tmp_path: Path) -> None:
    url = (await aws(simulator, tmp_path, "sqs", "get-queue-url", "--queue-name", "git-sync"))["QueueUrl"]
    queue = ("--queue-url", url)
    await aws(simulator, tmp_path, "sqs", "send-message", *queue, "--message-body", "hello")
    received = await aws(simulator, tmp_path, "sqs", "receive-message", *queue, "--wait-time-seconds", "5")
    (message,) = received["Messages"]
    assert message["Body"] == "hello"
    await aws(simulator, tmp_path, "sqs", "delete-message", *queue, "--receipt-handle", message["ReceiptHandle"])


@needs_cli
async def test_the_command_line_reports_what_is_not_found(simulator: Simulator, tmp_path: Path) -> None:
    code, _, err = await output_of(
        CLI,
        "codeconnections",
        "get-sync-blocker-summary",
        *("--sync-type", "CFN_STACK_SYNC", "--resource-name", "not-there"),
        env=environment(simulator, tmp_path),
    )
    assert code != 0
    assert "ResourceNotFoundException" in err


SCRIPT = """
const [codestar, proton, sqs] = ["codestar-connections", "proton", "sqs"].map(
  (name) => require(process.env.AWS_SDK_MODULES + "/@aws-sdk/client-" + name));
async function main() {
  const connections = new codestar.CodeStarConnectionsClient({});
  const links = [];
  let NextToken;
  do {
    const page = await connections.send(
      new codestar.ListRepositoryLinksCommand({ MaxResults: 1, NextToken }));
    links.push(...page.RepositoryLinks);
    NextToken = page.NextToken;
  } while (NextToken);
  const found = await connections.send(new codestar.ListSyncConfigurationsCommand({
    RepositoryLinkId: links[0].RepositoryLinkId, SyncType: "CFN_STACK_SYNC" }));
  const status = await connections.send(new codestar.GetRepositorySyncStatusCommand({
    RepositoryLinkId: links[0].RepositoryLinkId, SyncType: "CFN_STACK_SYNC", Branch: "main" }));
  const listed = await new proton.ProtonClient({}).send(new proton.ListServiceTemplatesCommand({}));
  const queues = new sqs.SQSClient({});
  const { QueueUrl } = await queues.send(new sqs.GetQueueUrlCommand({ QueueName: "git-sync" }));
  await queues.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: "hello" }));
  const { Messages } = await queues.send(new sqs.ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }));
  await queues.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }));
  console.log(JSON.stringify({
    links: links.length, stacks: found.SyncConfigurations.length, status: status.LatestSync.Status,
    templates: listed.templates.length, body: Messages[0].Body }));
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.skipif(not MODULES or shutil.which("node") is None, reason="AWS_SDK_MODULES does not name the SDK")
async def test_the_sdk_for_javascript_speaks_to_it(simulator: Simulator, tmp_path: Path) -> None:
    script = tmp_path / "script.cjs"
    script.write_text(SCRIPT)
    env = environment(simulator, tmp_path) | {"AWS_SDK_MODULES": MODULES}
    code, out, err = await output_of("node", str(script), env=env)
    assert code == 0, err
    found = json.loads(out)
    assert (found["links"], found["templates"], found["body"]) == (2, 0, "hello")
    assert found["stacks"] > 20
    assert found["status"]
