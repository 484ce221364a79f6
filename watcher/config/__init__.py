"""Compiles YAML text to frozen settings (`core.settings`), or reports every fault with its place.

`document` finds the text, `tree` parses it, `variables` fills in variables, `schema` has the models that check it, and
`resolve` turns the models into settings; `parser` calls them in this order.
"""
