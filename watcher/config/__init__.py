"""The configuration: YAML text in, frozen settings out, or every fault with its place.

    document.locate -> reading.parse -> Config    what was configured
    json_schema.json_schema                       what may be configured
    load.load_report                              what it asks for, beside what is allowed

Only the settings are named here, so that importing them costs nothing: the others import pydantic and YAML.
"""

from __future__ import annotations

from watcher.core.settings import Account, Config, Http, Mute, RateLimit, Retry, SinkSettings, Tracing

__all__ = ["Account", "Config", "Http", "Mute", "RateLimit", "Retry", "SinkSettings", "Tracing"]
