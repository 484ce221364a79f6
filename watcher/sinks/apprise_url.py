"""Calls of apprise, a library that the extra `notify` installs.

What it logs is not shown: it repeats the secrets of its URLs.
"""

import logging
import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from math import inf
from types import ModuleType
from typing import Any

from watcher.messages.message import Tone
from watcher.messages.plain import Text
from watcher.util.bounded_mail import bound_replies, replies_within
from watcher.util.bounded_requests import bound_responses

MAX_REMEMBERED = 10_000
"""Deliveries that a URL is known to have taken, so that another URL's failure does not repeat them there."""

MAIL_SCHEMES = ("mailto", "mailtos")
"""The schemes of mail servers (SMTP), whose messages have headers of watcher's."""

TAKEN = "taken"
"""The result of a send that the receiver accepted."""


_LOGGED = threading.local()
"""Its `code` is the last error code that apprise logged on this thread."""


def _keep_error_code(record: logging.LogRecord) -> bool:
    """Keep only the error code of what apprise logs: the rest has URLs and receivers' texts in it."""
    found = re.search(r"\berror=(\d{3})\b", record.getMessage())
    if found and record.levelno >= logging.WARNING:
        _LOGGED.code = f" (error {found[1]})"
    return False


_LOG = logging.getLogger("apprise")
_LOG.addFilter(_keep_error_code)
_LOG.propagate = False  # what its other loggers log is not shown either

_LOADING = threading.Lock()


def installed_apprise() -> ModuleType | None:
    """Return the library, or None if the extra is not installed. It is slow to load."""
    with warnings.catch_warnings(action="ignore"), suppress(ImportError):
        return _loaded_apprise()
    return None


def _loaded_apprise() -> ModuleType:
    """Return the library, which reads no more of a response, or of a mail server's reply, than it needs."""
    apprise = import_module("apprise")
    bound_responses()
    bound_replies()
    return apprise


class NotifyUrl:
    """A URL, and the deliveries that it has taken in this run. Only its scheme is shown: the rest is secret."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._plugin: Any = None
        self._headers: Mapping[str, str] = {}
        """The headers of mails that the URL itself names."""
        scheme = url.partition(":")[0].lower()
        self.scheme = scheme if re.fullmatch(r"[a-z0-9]{1,20}", scheme) else "a URL"
        self.taken: dict[str, None] = {}
        self.busy = False

    def send(
        self, text: Text, tone: Tone, ids: Sequence[str], thread: str | None = None, *, seconds: float = inf
    ) -> str:
        """Send a message, however long that takes, and return the result for people. Call it in a thread.

        `thread` is the message id that makes one thread of mails (`thread_of`). A mail server has `seconds` to reply.

        A success counts even if the caller no longer waits for it.
        """
        try:
            if self._plugin is None:
                self._plugin = _plugin(self._url)
                self._headers = dict(getattr(self._plugin, "headers", {}))
            if self._plugin is None:
                return "apprise cannot use this URL"
            if self.scheme in MAIL_SCHEMES:
                refers = {"References": thread, "In-Reply-To": thread} if thread else {}
                self._plugin.headers = {**refers, **self._headers}
            sender = _loaded_apprise().Apprise(asset=self._plugin.asset)
            sender.add(self._plugin)
            _LOGGED.code = ""
            with replies_within(seconds):
                taken = sender.notify(title=text.title, body=text.body, notify_type=tone.value, body_format="text")
            if not taken:
                return f"not taken{_LOGGED.code}"
            self.taken.update(dict.fromkeys(ids))
            while len(self.taken) > MAX_REMEMBERED:
                del self.taken[next(iter(self.taken))]
        except Exception as error:  # noqa: BLE001  a plugin's own bug; its message may have the URL in it
            return f"apprise failed with {type(error).__name__}"
        else:
            return TAKEN
        finally:
            self.busy = False


def _plugin(url: str) -> Any:
    """Apprise's plugin for `url`, or None if it has none. The first call is slow."""
    with _LOADING, warnings.catch_warnings(action="ignore"):
        apprise = _loaded_apprise()
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
