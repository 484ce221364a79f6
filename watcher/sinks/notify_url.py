"""Checks apprise URLs, and sends to one of them. What apprise logs is not shown: it repeats their secrets."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watcher.messages.message import Tone
    from watcher.messages.plain import Text

MAX_REMEMBERED = 10_000
"""Deliveries that a URL is known to have taken, so that another URL's failure does not repeat them there."""

TAKEN = "taken"
"""The result of a send that the receiver accepted."""

_SCHEME = re.compile(r"[a-z][a-z0-9]{1,19}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence apprise's warnings and log while it loads and reads URLs: its log repeats their content."""
    log = logging.getLogger("apprise")
    was, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = was


def installed_apprise() -> ModuleType | None:
    """Return the library, or None if the extra is not installed. It is slow to load."""
    with _quiet(), suppress(ImportError):
        return import_module("apprise")
    return None


def url_fault(apprise: ModuleType, url: str, *, show_scheme: bool) -> str | None:
    """Return why apprise cannot use `url`, or None. The message shows at most the scheme."""
    with _quiet():
        if apprise.Apprise.instantiate(url) is not None:
            return None
        scheme = url[: max(0, url.find("://"))].lower()
        known = scheme in apprise.NotificationManager()
    if known:
        return (
            f"apprise cannot use this {scheme}:// URL: a part of it is missing or malformed, or apprise needs a "
            "further package for it"
        )
    shown = f" {scheme}://" if show_scheme and _SCHEME.fullmatch(scheme) else ""
    return f"apprise knows no service of this{shown} URL; it must be one of its own, such as mailto://…"


class NotifyUrl:
    """A URL, and the deliveries that it has taken in this run. Only its scheme is shown: the rest is secret."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._plugin: Any = None
        scheme = url.partition(":")[0].lower()
        self.scheme = scheme if re.fullmatch(r"[a-z0-9]{1,20}", scheme) else "a URL"
        self.taken: dict[str, None] = {}
        self.busy = False

    def send(self, text: Text, tone: Tone, ids: Sequence[str]) -> str:
        """Send a message, however long that takes, and return the result for people. Call it in a thread.

        A success counts even if the caller no longer waits for it.
        """
        try:
            return _result(lambda: self._send(text, tone, ids))
        finally:
            self.busy = False

    def _send(self, text: Text, tone: Tone, ids: Sequence[str]) -> str:
        try:
            self._plugin = self._plugin or _plugin(self._url)
        except ImportError:
            return "apprise is not installed; install it: pip install 'watcher[notify]'"
        if self._plugin is None:
            return "apprise cannot use this URL"
        sender = import_module("apprise").Apprise(asset=self._plugin.asset)
        sender.add(self._plugin)
        _ERRORS.of_thread.code = ""
        if not sender.notify(title=text.title, body=text.body, notify_type=tone.value, body_format="text"):
            return f"not taken{_ERRORS.of_thread.code}"
        self.taken.update(dict.fromkeys(ids))
        while len(self.taken) > MAX_REMEMBERED:
            del self.taken[next(iter(self.taken))]
        return TAKEN


class _ErrorCodes(logging.Handler):
    """Keeps the error code of what apprise logs, and nothing else: the rest has URLs and receivers' texts in it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.of_thread = threading.local()
        """Its `code` is the last one that was logged on this thread."""

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"\berror=(\d{3})\b", record.getMessage()):
            self.of_thread.code = f" (error {found[1]})"


_ERRORS = _ErrorCodes()
_LOADING = threading.Lock()


def _plugin(url: str) -> Any:
    """Apprise's plugin for `url`, or None if it has none. The first call is slow and logs a lot.

    Raises:
        ImportError: the extra `notify` is not installed.
    """
    with _LOADING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log = logging.getLogger("apprise")
        log.handlers, log.propagate = [_ERRORS], False
        apprise = import_module("apprise")
        asset = apprise.AppriseAsset(
            app_id="watcher", app_desc="watcher", app_url="", async_mode=False, pgp_autogen=False, pem_autogen=False
        )
        plugin = apprise.Apprise.instantiate(url, asset=asset)
        if plugin is not None and "overflow=" not in url:
            # The most important text comes first: where there is little room, the rest may be lost.
            plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
        if plugin is not None and "format=" not in url:
            # The text is plain: as HTML none of its lines would be wrapped on a telephone.
            plugin.notify_format = apprise.NotifyFormat.TEXT
        return plugin


def _result(send: Callable[[], str]) -> str:
    try:
        return send()
    except Exception as error:  # noqa: BLE001  a plugin's own bug; its message may have the URL in it
        return f"apprise failed with {type(error).__name__}"
