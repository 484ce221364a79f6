"""Finds the configuration's text and decodes it."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watcher.config.remote.address import meant
from watcher.errors import ConfigError, Fault

MAX_BYTES = 4 * 1024 * 1024
"""The size of the largest configuration that is read."""
DEFAULT_FILE = "watcher.yaml"
ENDING = ".yaml"
"""How the names of the files end that are read of a directory."""
FILE_VARIABLE = "WATCHER_CONFIG"
TEXT_VARIABLE = "WATCHER_CONFIG_YAML"

# All but the characters that YAML 1.1 allows (section 5.1).
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration as it was found; `name` is its name in messages."""

    name: str
    text: bytes
    parts: tuple["Document", ...] = ()
    """The files of a directory, in order of name; then `text` is empty."""

    @property
    def files(self) -> tuple["Document", ...]:
        """The texts that it consists of."""
        return self.parts or (self,)


def locate(option: str | None, environ: Mapping[str, str], cwd: Path, *, may_be_missing: bool = False) -> Document:
    """Find the configuration: `--config`, else `WATCHER_CONFIG`, else `WATCHER_CONFIG_YAML`, else ./watcher.yaml.

    A variable that is empty counts as not set. `may_be_missing`: without a configuration, an empty text is returned.

    Raises:
        ConfigError: it is missing or unreadable.
    """
    if option is not None:
        return _read_either(option, cwd, "given with --config")
    if named := environ.get(FILE_VARIABLE):
        return _read_either(named, cwd, f"named by {FILE_VARIABLE}")
    if text := environ.get(TEXT_VARIABLE):
        return Document(TEXT_VARIABLE, text.encode("utf-8", "surrogateescape"))
    if not (cwd / DEFAULT_FILE).exists():
        if may_be_missing:
            return Document(DEFAULT_FILE, b"")
        raise _fault(
            DEFAULT_FILE,
            f"no configuration: there is no {DEFAULT_FILE} in {cwd}; write one (`watcher discover > {DEFAULT_FILE}` "
            f"lists what your account has), or name one with --config or {FILE_VARIABLE}, or put the YAML text itself "
            f"in {TEXT_VARIABLE}",
        )
    return read(DEFAULT_FILE, cwd, f"found in {cwd}")


def decode(document: Document) -> str:
    """Return the document's text.

    Raises:
        ConfigError: it is too large, is not UTF-8, or has control characters.
    """
    raw = document.text
    if len(raw) > MAX_BYTES:
        raise _fault(document.name, "larger than 4 MiB; is it the right file?")
    if raw.startswith(_WIDE_MARKS):
        raise _fault(document.name, "this is UTF-16 or UTF-32 text; save the file as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        raise _fault(document.name, "this is not UTF-8 text; save the file as UTF-8", before) from None
    if found := _UNPRINTABLE.search(text):
        character = f"U+{ord(found.group()):04X}"
        message = f"a control character ({character}) is not allowed in YAML; remove it, or write an escape in quotes"
        raise _fault(document.name, message, text[: found.start()])
    return text


def read(name: str, cwd: Path, origin: str) -> Document:
    """Return a file; of one that is too large for `decode`, or endless as /dev/zero, only the beginning.

    `origin`: how the file was found, for messages.

    Raises:
        ConfigError: the file is unreadable.
    """
    try:
        with (cwd / name).open("rb") as file:
            return Document(name, file.read(MAX_BYTES + 1))
    except FileNotFoundError:
        advice = f"did you mean {place}?" if (place := meant(name)) else "check the path"
        raise _fault(name, f"no such file ({origin}, looked for in {cwd}); {advice}") from None
    except IsADirectoryError:
        raise _fault(name, f"this is a directory ({origin}); name a file") from None
    except PermissionError:
        raise _fault(name, f"no permission to read it ({origin}); make it readable to this user") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise _fault(name, f"cannot be read ({origin}): {reason}") from None


def _read_either(name: str, cwd: Path, origin: str) -> Document:
    """Return a file, or a directory: every `*.yaml` in it that is not hidden, in order of name.

    Raises:
        ConfigError: it is unreadable, or has no such file.
    """
    try:
        if not (cwd / name).is_dir():
            return read(name, cwd, f"the file {origin}")
        found = [each.name for each in (cwd / name).iterdir()]
    except OSError as error:
        raise _fault(name, f"the directory cannot be read ({origin}): {error.strerror}") from None
    names = sorted(each for each in found if each.endswith(ENDING) and not each.startswith("."))
    if not names:
        raise _fault(name, f"there is no *{ENDING} in this directory ({origin}); write one, or name another directory")
    parts: list[Document] = []
    for each in names:
        if not (cwd / name / each).is_file() and (cwd / name / each).exists():  # opening a named pipe may never end
            raise _fault(f"{name.rstrip('/')}/{each}", f"not a regular file (in the directory {origin}); move it away")
        parts.append(read(f"{name.rstrip('/')}/{each}", cwd, f"in the directory {origin}"))
        if sum(len(part.text) for part in parts) > MAX_BYTES:
            raise _fault(name, f"the *{ENDING} in this directory are larger than 4 MiB in all; is it the right one?")
    return Document(name, b"", tuple(parts))


def _fault(name: str, message: str, before: str = "") -> ConfigError:
    """A fault at the character after `before`."""
    lines = re.split("\r\n|\r|\n", before)
    return ConfigError([Fault(name, len(lines), len(lines[-1]) + 1, "", message)])
