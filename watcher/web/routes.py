"""The routes, and the route of a request's path. Pure."""

from __future__ import annotations

from enum import StrEnum


class Route(StrEnum):
    """A path of the OpenAPI document."""

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


HEALTH = frozenset({Route.LIVEZ, Route.READYZ})
"""Routes that need no token, do not wait for other requests, and are not refused for the memory that other responses
take: an orchestrator restarts the daemon if they fail."""

_EXACT = {route.value: route for route in Route if "{" not in route.value}
_PREFIXES = {
    "/targets/": Route.TARGET_PAGE,
    "/static/": Route.STATIC,
    "/api/targets/": Route.TARGET,
}


def find(raw_path: str) -> tuple[Route, str] | None:
    """The route of a path that is still percent-encoded, and the value of its `{…}`.

    A badge is found as `TARGET`: whether `/api/targets/…/badge.svg` is a target of that name depends on the targets.
    """
    if raw_path in _EXACT:
        return _EXACT[raw_path], ""
    for prefix, route in _PREFIXES.items():
        if raw_path.startswith(prefix) and raw_path != prefix:
            return route, raw_path.removeprefix(prefix)
    return None
