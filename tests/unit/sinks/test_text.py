"""Where the texts of messages are rendered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from watcher.messages import template
from watcher.messages.samples import samples
from watcher.sinks.text import Renderer

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("source", "count", "in_thread"),
    [(None, 1, False), (None, 2, True), ("{{ event.id }}", 1, True)],
    ids=["built-in message", "built-in message of a group", "template"],
)
async def test_what_may_take_long_is_rendered_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, source: str | None, count: int, *, in_thread: bool
) -> None:
    threads = []
    message_for = template.message_for

    def recorded(*args: Any) -> Any:
        threads.append(threading.current_thread())
        return message_for(*args)

    monkeypatch.setattr(template, "message_for", recorded)
    events: Sequence[dict[str, Any]] = samples()[:count]
    text, message = await Renderer(source, "slack").render(events)
    assert text == (None if source is None else events[0]["id"])
    assert message.title
    assert [thread is not threading.main_thread() for thread in threads] == [in_thread]
