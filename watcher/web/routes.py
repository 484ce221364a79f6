"""The paths that are served, and the route of a request's path. Pure."""

from __future__ import annotations

from enum import StrEnum


class Route(StrEnum):
    """A path as the OpenAPI document has it."""

    LIVEZ = "/livez"
    READYZ = "/readyz"
    METRICS = "/metrics"
    PAGE = "/"
    TARGET_PAGE = "/targets/{id}"
    STATIC = "/static/{file}"
    STATUS = "/api/status"
    TARGETS = "/api/targets"
    TARGET = "/api/targets/{id}"
    BADGE = "/api/targets/{id}/badge.svg"
    ENDPOINTS = "/api/endpoints"
    SINKS = "/api/sinks"
    EVENTS = "/api/events"
    STREAM = "/api/stream"
    OPENAPI = "/api/openapi.json"


OPEN = frozenset({Route.LIVEZ, Route.READYZ})
"""Routes that need no token and do not wait for other requests: an orchestrator restarts the daemon by them."""

_EXACT = {route.value: route for route in Route if "{" not in route.value}
_UNDER = {
    "/targets/": Route.TARGET_PAGE,
    "/static/": Route.STATIC,
    "/api/targets/": Route.TARGET,
}


def find(raw_path: str) -> tuple[Route, str] | None:
    """The route of a path as it came, and what stands in the place of its `{…}`.

    Whether `/api/targets/…/badge.svg` is a badge or a target of that name is for who knows the targets.
    """
    if raw_path in _EXACT:
        return _EXACT[raw_path], ""
    for start, route in _UNDER.items():
        if raw_path.startswith(start) and len(raw_path) > len(start):
            return route, raw_path.removeprefix(start)
    return None
