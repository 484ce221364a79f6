"""Compiles a document to settings: text, tree, variables, models, settings; or reports every fault on the way."""

from collections.abc import Mapping, Sequence
from typing import cast

from watcher.config.accounts import Environment
from watcher.config.document import Document, decode
from watcher.config.faults import Faults, describe
from watcher.config.resolve import resolve
from watcher.config.schema import file_model
from watcher.config.target_model import watched_keys
from watcher.config.tree import Items, Keys, Place, Reads, Report, Text, compose, is_null
from watcher.config.variables import fill_tree
from watcher.core.kinds import Kind
from watcher.core.settings import Config
from watcher.errors import ConfigError


def parse(
    document: Document,
    environment: Environment,
    kinds: Mapping[str, Kind],
    sink_types: Mapping[str, str],
    *,
    may_be_empty: bool = False,
) -> Config:
    """Return the settings that `document` describes; `may_be_empty`: whether there may be nothing to watch.

    `sink_types` has the place of each type's model: `package.module:Class`.

    Raises:
        ConfigError: with every fault, in the order of the file.
    """
    faults = Faults(document.name, [part.name for part in document.files])
    root = _mapping(document, kinds, faults, may_be_empty=may_be_empty)
    if root is None:
        raise ConfigError(faults.found)
    fill_tree(root, environment.environ, faults.report)
    model = file_model(tuple(kinds.values()), tuple(sink_types.items()))
    file = model.model_validate(root, context=faults)  # never fails as a whole: each key reports for itself
    config = resolve(file, root, environment, faults, may_be_empty=may_be_empty)
    if faults.found:
        raise ConfigError(faults.found)
    return config


def _mapping(document: Document, kinds: Mapping[str, Kind], faults: Faults, *, may_be_empty: bool) -> Keys | None:
    """The mapping that a configuration is, or None when a fault says what there is instead."""
    wanted = f"the configuration must be a mapping with at least {watched_keys(kinds.values())}"
    mappings: list[Keys] = []
    complete = True
    for part in document.files:
        before = len(faults.found)
        try:
            root = compose(decode(part), faults.report, part.name if document.parts else "")
        except ConfigError as error:
            root = None
            faults.found += error.faults
        if isinstance(root, Keys):
            mappings.append(root)
            continue
        if isinstance(root, Items) or (isinstance(root, Text) and root.reads is not Reads.NULL and not root.broken):
            faults.report(root.place, f"{wanted}, not {describe(root)}")
        complete = complete and len(faults.found) == before
    if mappings and complete:
        return _merged(mappings, faults.report)
    if may_be_empty and not faults.found:
        return cast("Keys", compose("{}", faults.report))
    if not faults.found:
        faults.report(Place(1, 1, ""), f"this is empty; {wanted}")
    return None


def _merged(mappings: Sequence[Keys], report: Report) -> Keys:
    """Return all keys of the mappings, in their order; report each key that two of them have and that is not a list."""
    if len(mappings) == 1:
        return mappings[0]
    whole = Keys()
    whole.place, whole.key_places = Place(1, 1, ""), {}
    whole.broken = any(mapping.broken for mapping in mappings)
    for mapping in mappings:
        for name, node in mapping.items():
            first, here = whole.get(name), mapping.key_places[name]
            if first is None or is_null(first):
                whole[name], whole.key_places[name] = node, here
            elif isinstance(first, Items) and isinstance(node, Items):
                whole[name] = both = Items([*first, *node])
                both.place = first.place
            elif not is_null(node):
                line = whole.key_places[name].line_beside(here)
                report(here, f"this key is given twice; the first is on {line}, and only lists are joined")
    return whole
