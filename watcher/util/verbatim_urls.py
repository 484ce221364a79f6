"""URLs that are requested exactly as they are written."""

import re
import string
from urllib.parse import quote

from yarl import URL


def verbatim(url: str) -> URL:
    """Return the URL with its path and query byte for byte as written: receivers check signatures over them.

    Only letters beyond ASCII are encoded. The host is normalized.
    """
    host = URL(url)
    written = re.sub(r"^[^:]+://[^/?#]*/?|#.*", "", url)
    # The query is passed as a part of the path, so that yarl also keeps an empty one.
    path = "/" + quote(written, safe=string.punctuation)
    return URL.build(scheme=host.scheme, authority=host.raw_authority, path=path, encoded=True)
