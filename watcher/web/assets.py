"""The files of the status page, read once, with a hash of their contents in their URLs."""

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from watcher.web.responses import Response, error_response

FOLDER = Path(__file__).with_name("static")
SHELL = "index.html"
PLACEHOLDER = b"?v=HASH"
"""The query of a URL in the files, in which the hash is filled in."""

HERE = b'"./'
"""The beginning of each URL in the shell: relative, since a reverse proxy may serve the daemon below any path."""

_IMPORT = re.compile(rb"""((?:from|import)\s*\(?\s*["']\./[\w-]+\.js)(?=["'])""")
"""An import of another module, whose URL gets the hash as well."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by name. They share one hash, so a change of one changes the URLs of all."""

    hash: str
    files: Mapping[str, Response]

    def shell(self, depth: int) -> Response:
        """The page, whose script reads the URL; `depth`: how many folders the URL is below the root."""
        shell = self.files[SHELL]
        body = shell.body.replace(HERE, b'"' + b"../" * depth) if depth else shell.body
        return replace(shell, body=body, headers=[("Cache-Control", "no-cache")], gzipped=_gzipped(body))

    def file(self, name: str, version: str | None, if_none_match: str) -> Response:
        """One file; it may be cached for ever if it was requested with the current hash."""
        file = self.files.get(name)
        if file is None or name == SHELL:
            return error_response(404, "no such file")
        tag = f'"{self.hash}"'
        caching = "public, max-age=31536000, immutable" if version == self.hash else "no-cache"
        headers = [("Cache-Control", caching), ("ETag", tag)]
        if tag in if_none_match:
            return Response(b"", file.content_type, 304, headers)
        return replace(file, headers=headers)


def load(folder: Path = FOLDER) -> Assets:
    """Read the files that have a known type."""
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.suffix in _TYPES}
    digest = sha256(b"\0".join(part for name, body in found.items() for part in (name.encode(), body))).hexdigest()[:16]
    return Assets(digest, {name: _file(name, body, digest) for name, body in found.items()})


def _file(name: str, body: bytes, digest: str) -> Response:
    version = f"?v={digest}".encode()
    filled = body.replace(PLACEHOLDER, version)
    if name.endswith(".js"):
        filled = _IMPORT.sub(rb"\1" + version, filled)
    return Response(filled, _TYPES[Path(name).suffix], gzipped=_gzipped(filled))


def _gzipped(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)
