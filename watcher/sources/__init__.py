"""What to call for each kind of target, and how to read the answer: one line registers a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.core.model import Kind
from watcher.sources.codeconnections import StackSync
from watcher.sources.proton import TemplateSync

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.core.ports import Source

SOURCES: Mapping[Kind, Source] = {
    Kind.TEMPLATE: TemplateSync(),
    Kind.STACK: StackSync(),
}
