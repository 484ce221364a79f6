"""What befalls a daemon of a fleet: it is killed, stopped, cut off from its table, or replaced."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.cluster_fleet import Fleet, Post


async def kill(post: Post, _: Fleet) -> None:
    """SIGKILL, and another one in its place."""
    assert post.child
    post.child.process.kill()
    post.child.process.wait()
    post.start()
    await post.started()


async def stop_and_go(post: Post, fleet: Fleet) -> None:
    """SIGSTOP until after its term, and SIGCONT."""
    await fleet.sigstop(post, 1.6 * fleet.term)


async def cut_off(post: Post, fleet: Fleet) -> None:
    """No way to the table until after its term."""
    await fleet.cut_off(post, 1.6 * fleet.term)


async def replace(post: Post, _: Fleet) -> None:
    """SIGTERM, and another one in its place."""
    assert post.child
    assert await post.child.stopped() == 0, post.child.said()
    post.start()
    await post.started()


Blow = Callable[["Post", "Fleet"], Coroutine[Any, Any, None]]

BLOWS: tuple[Blow, ...] = (kill, stop_and_go, cut_off, replace)
