"""Which protocol a client speaks is ours to say, whatever botocore would choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.model
import pytest
from botocore.loaders import Loader

from tests.integration.conftest import a_config, a_stack, a_template, running
from watcher.aws.responses import JsonModels

if TYPE_CHECKING:
    from tests.support.simulator import Simulator

CBOR = "smithy-rpc-v2-cbor"


def test_codeconnections_model_still_lists_cbor_first() -> None:
    """Without this the next test would show nothing."""
    assert Loader().load_service_model("codeconnections", "service-2")["metadata"]["protocols"] == [CBOR, "json"]


async def test_json_is_spoken_though_botocore_prefers_cbor(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.model, "PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (CBOR, "json", "query"))
    targets = [a_template(), a_stack()]
    async with running(simulator, a_config(simulator.url, targets)) as watch:
        for target in targets:
            watch.show(target, "FAILED", 1)
        assert {event["type"] for event in await watch.events(2)} == {"watcher.sync.failed"}
        for endpoint in watch.app.polling.endpoints.values():
            lent = endpoint._client._current
            assert lent is not None
            assert lent.api.meta.service_model.resolved_protocol == "json"


@pytest.mark.parametrize("service", ["proton", "codeconnections", "sts", "sns", "sqs", "events", "dynamodb"])
def test_every_service_has_the_one_protocol_that_is_read(service: str) -> None:
    metadata = JsonModels().load_service_model(service, "service-2")["metadata"]
    protocol = "query" if service in ("sts", "sns") else "json"
    assert metadata["protocol"] == protocol
    assert metadata.get("protocols", [protocol]) == [protocol]
