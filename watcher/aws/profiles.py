"""The AWS configuration: the region of a profile, and faults of the files that variables and profiles name.

The errors of botocore and ssl do not name the file.
"""

import errno
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from watcher.util.redaction import redacted_excerpt
from watcher.util.special_files import refuse_special

CA_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
CONFIG_VARIABLES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}


class ProfileError(LookupError):
    """The profile cannot be read; the message says why, without naming it."""


def botocore_profile_region(profile: str | None) -> str | None:
    """The configured region of `profile` (None: the one in AWS_PROFILE, else `default`), if any.

    Raises:
        ProfileError: there is no such profile, or the AWS configuration files cannot be read.
    """
    # The import takes a tenth of a second, and most configurations name their regions.
    from botocore import exceptions, session  # noqa: PLC0415  see above

    try:
        region: str | None = session.Session(profile=profile).get_scoped_config().get("region")
    except exceptions.ProfileNotFound:
        raise ProfileError("is not in the AWS configuration files") from None
    except exceptions.BotoCoreError as error:
        raise ProfileError(f"cannot be read: {redacted_excerpt(str(error))}") from None
    return region


def ca_fault(environ: Mapping[str, str], of_profile: str | None) -> str | None:
    """What is wrong with the CA certificates that verify AWS; None: nothing.

    `of_profile`: the profile's `ca_bundle`. The order is botocore's: AWS_CA_BUNDLE, the profile, REQUESTS_CA_BUNDLE.
    """
    first, second = ((f"the variable {name}", environ.get(name)) for name in CA_VARIABLES)
    for what, path in (first, ("`ca_bundle` of the AWS profile", of_profile), second):
        if path:
            fault = certificates_fault(path)
            return fault and f"{what} names {path}: {fault}"
    return None


def system_ca_fault(environ: Mapping[str, str]) -> str | None:
    """What is wrong with the file in SSL_CERT_FILE; None: nothing. OpenSSL does not report that the file is missing."""
    path = environ.get("SSL_CERT_FILE")
    fault = path and certificates_fault(path)
    return f"the variable SSL_CERT_FILE names {path}: {fault}" if fault else None


def config_faults(environ: Mapping[str, str]) -> list[str]:
    """The AWS configuration files that cannot be read, and those that a variable names and that do not exist."""
    faults = []
    for name, usual in CONFIG_VARIABLES.items():
        path = environ.get(name)
        error = _reading_error(path or usual)
        if error and path:
            faults.append(f"the variable {name} names {path}: {error.strerror}")
        elif error and not isinstance(error, FileNotFoundError):
            faults.append(f"{usual}: {error.strerror}")
    return faults


def variable_naming(environ: Mapping[str, str], path: str) -> str:
    """The beginning of a message: the AWS variable that names this file; empty: none does."""
    return next(
        (f"the variable {name} names " for name, value in environ.items() if value == path and "AWS" in name), ""
    )


def read_token(path: str) -> str:
    """Return the text of a file with a web identity token.

    Raises:
        OSError: it cannot be read, is not a regular file, or is not text; with the path.
    """
    refuse_special(path)
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "not a text in UTF-8", path) from None


def certificates_fault(path: str) -> str | None:
    """Why no certificates can be loaded from a file; None: they can be."""
    try:
        refuse_special(path)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "not a file of PEM certificates"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or "not a path"
    return None


def _reading_error(path: str) -> OSError | None:
    try:
        file = Path(path).expanduser()
        refuse_special(str(file))
        with file.open("rb"):
            return None
    except RuntimeError:  # the user has no home directory
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    except OSError as error:
        return error
