"""Which certificates of https servers are believed.

Our sessions take nothing from the environment by themselves, so that no proxy and no `.netrc` leads a request astray;
an authority that somebody named on purpose, for a simulator or a proxy that inspects TLS, counts all the same.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from stormcone.errors import SettingsError

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The variables that name a file of authorities, the first that is set counts. Sources: documentation of requests and
of OpenSSL."""


def authorities(
    url: str,
    ca_file: Path | None = None,
    *,
    variables: tuple[str, ...] = VARIABLES,
    environ: Mapping[str, str] | None = None,
) -> str | bool:
    """What a server's certificate is verified by: a file of authorities, or True for the usual ones.

    Args:
        url: where the server is; nothing is looked at unless that is https.
        ca_file: a file of authorities, which goes before the environment's.
        variables: the environment's variables that may name one.
        environ: the environment; None for this process's.

    Raises:
        SettingsError: the file that is named is not there.
    """
    if not url.casefold().startswith("https:"):
        return True
    environ = os.environ if environ is None else environ
    named = [(name, environ[name]) for name in variables if environ.get(name)]
    what, where = ("the CA file", str(ca_file)) if ca_file else next(iter(named), ("", ""))
    if where and not Path(where).exists():
        raise SettingsError(f"{what} {where} is not there, so no certificate can be verified by it; name one that is")
    return where or True
