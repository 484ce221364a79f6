"""The files of the status page, read once, with their content's hash in their addresses."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.web.responses import Response, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).with_name("static")
SHELL = "index.html"
PLACEHOLDER = b"?v=HASH"
"""What stands after an address in the files, where the hash is to be."""

HERE = b'"./'
"""The beginning of each URL in the shell: relative, since a reverse proxy may serve the daemon below any path."""

_IMPORT = re.compile(rb"""((?:from|import)\s*\(?\s*["']\./[\w-]+\.js)(?=["'])""")
"""A module that another asks for: its address gets the hash, too."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served; `packed` is the same by gzip."""

    body: bytes
    packed: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All of them by name. They share one hash: a new one of any gives all of them new addresses."""

    hash: str
    files: Mapping[str, Asset]

    def shell(self, depth: int) -> Response:
        """The page for any URL, which its script reads; `depth`: how many folders the URL is below the root."""
        shell = self.files.get(SHELL)
        if shell is None:
            return failed(404, "this build of watcher has no status page; /api/targets tells the same")
        body = shell.body.replace(HERE, b'"' + b"../" * depth) if depth else shell.body
        return Response(body, shell.content_type, headers=[("Cache-Control", "no-cache")], packed=_packed(body))

    def file(self, name: str, version: str | None, if_none_match: str) -> Response:
        """One of its files; for ever, if it was asked for by the hash that it has."""
        asset = self.files.get(name)
        if asset is None or name == SHELL:
            return failed(404, "there is no such file")
        tag = f'"{self.hash}"'
        kept = "public, max-age=31536000, immutable" if version == self.hash else "no-cache"
        headers = [("Cache-Control", kept), ("ETag", tag)]
        if tag in if_none_match:
            return Response(b"", asset.content_type, 304, headers)
        return Response(asset.body, asset.content_type, headers=headers, packed=asset.packed)


def load(folder: Path = FOLDER) -> Assets:
    """Read the files that have a known kind."""
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.suffix in _TYPES}
    digest = sha256(b"\0".join(part for name, body in found.items() for part in (name.encode(), body))).hexdigest()[:16]
    return Assets(digest, {name: _asset(name, body, digest) for name, body in found.items()})


def _asset(name: str, body: bytes, digest: str) -> Asset:
    version = f"?v={digest}".encode()
    filled = body.replace(PLACEHOLDER, version)
    if name.endswith(".js"):
        filled = _IMPORT.sub(rb"\1" + version, filled)
    return Asset(filled, _packed(filled), _TYPES[Path(name).suffix])


def _packed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)
