"""The certificate that a simulator shows where it speaks HTTPS: the user's own, or one that is made when it starts.

trustme makes it, with an authority of its own. The authority's key is never written down and goes with the simulator,
so whoever trusts the authority trusts this one server and nothing that comes later.
"""

import os
import ssl
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from stormcone.errors import PartMissing, SettingsError
from stormcone.simulators.contract import Tls
from stormcone.text import said

_PEM = b"-----BEGIN "


@dataclass(frozen=True)
class ServerTls:
    """What a server speaks TLS with.

    Attributes:
        context: for the server's side of a connection.
        ca_file: the authority that was made, to be trusted by clients; None where the certificate is the user's own.
        temporary: whether that file goes when the server does.
    """

    context: ssl.SSLContext
    ca_file: Path | None = None
    temporary: bool = False

    def close(self) -> None:
        """Remove the file, if it is a temporary one. Safe to call twice."""
        if self.temporary and self.ca_file is not None:
            with suppress(OSError):
                self.ca_file.unlink(missing_ok=True)


def server_tls(tls: Tls, names: Collection[str]) -> ServerTls:
    """What the options ask for, with a certificate for those host names and addresses where one is made.

    Raises:
        SettingsError: a file or a name cannot be used, or two options do not go together.
        PartMissing: trustme is not installed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    if tls.certificate is None:
        if tls.key is not None:
            raise SettingsError("a key without its certificate is of no use; name the certificate's file as well")
        return _made(context, tls, names)
    if tls.ca_file is not None or tls.names:
        raise SettingsError("a certificate of your own has its names and its authority; leave those options out")
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ValueError) as error:
        files = f"{tls.certificate} and {tls.key}" if tls.key else str(tls.certificate)
        raise SettingsError(f"the certificate in {files} cannot be used: {_why(error)}") from error
    return ServerTls(context)


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        return "the key is another one's" if mismatch else "it is not PEM with certificate and unlocked key"
    return (error.strerror if isinstance(error, OSError) else None) or said(error)


def _made(context: ssl.SSLContext, tls: Tls, names: Collection[str]) -> ServerTls:
    authority = _trustme().CA(organization_name="stormcone", organization_unit_name="a simulator's authority")
    wanted = dict.fromkeys((*names, *tls.names))
    try:
        authority.issue_cert(*wanted, organization_name="stormcone").configure_cert(context)
    except ValueError as error:
        raise SettingsError(f"no certificate can be made for {', '.join(wanted)}: {said(error)}") from error
    content: bytes = authority.cert_pem.bytes()
    ca_file = _temporary(content) if tls.ca_file is None else _written(tls.ca_file, content)
    return ServerTls(context, ca_file, temporary=tls.ca_file is None)


def _trustme() -> Any:
    try:
        return import_module("trustme")
    except ImportError as error:
        raise PartMissing(
            f"HTTPS needs a part that is not installed ({error.name} is missing); run pip install stormcone[https], "
            "or bring a certificate of your own"
        ) from error


def _temporary(content: bytes) -> Path:
    handle, name = tempfile.mkstemp(prefix="stormcone-ca-", suffix=".pem")
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o644)  # it is public, and clients may be other users
        file.write(content)
    return Path(name)


def _written(path: Path, content: bytes) -> Path:
    try:
        if path.exists() and not path.read_bytes().startswith(_PEM):
            raise SettingsError(f"{path} holds no certificate, so it is not overwritten; name another file")
        path.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"the CA file {path} cannot be written: {error.strerror}; name another") from error
    return path.absolute()
