"""The limit of open files, on systems that refuse what their hard limit allows."""

from __future__ import annotations

import resource

import pytest

from watcher.util.rlimits import WANTED, allow_more_files


@pytest.mark.parametrize("error", [ValueError("current limit exceeds maximum limit"), PermissionError(1, "no")])
def test_a_system_that_allows_no_more_files_ends_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    asked: list[tuple[int, int]] = []

    def refuse(_which: int, limits: tuple[int, int]) -> None:
        asked.append(limits)
        raise error

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    allow_more_files()
    assert asked == [(WANTED, resource.RLIM_INFINITY)]
