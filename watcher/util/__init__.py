"""Helpers without knowledge of the domain; only `http_responses` imports a library (aiohttp)."""
