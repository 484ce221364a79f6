"""When a message that another daemon handles is shown again."""

import pytest

from watcher.polling.hint_reader import MAX_VISITS, seconds_until_next_visit


@pytest.mark.parametrize(("receives", "seconds"), [(1, 0), (3, 0), (4, 1), (5, 2), (6, 4), (7, 8), (8, 8), (10**9, 8)])
def test_a_message_is_shown_again_at_once_at_first_and_then_ever_later(receives: int, seconds: int) -> None:
    assert seconds_until_next_visit(receives) == seconds


def test_a_message_is_shown_until_another_daemon_has_taken_over() -> None:
    assert sum(map(seconds_until_next_visit, range(1, MAX_VISITS))) >= 120
