"""Makes one mapping of the files of a directory: lists are appended, and any other key may be written once."""

from collections.abc import Sequence

from watcher.config.tree import Items, Keys, Place, Report, is_null


def merged(mappings: Sequence[Keys], report: Report) -> Keys:
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
