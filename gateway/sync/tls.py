"""TLS to the broker: the context from the configured files, the handshake, failures in words.

Here: nothing of MQTT. TLS 1.2 at the least and the host's name checked, as Python's defaults are.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from gateway.errors import ConfigError

if TYPE_CHECKING:
    import socket
    from pathlib import Path


def build(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """What proves the broker to us, and us to it. `ca` None: the system's authorities.

    ConfigError names the setting and the file; nothing of a key is repeated.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:
        raise ConfigError(f"could not use broker.tls.ca_file {ca}: {_cause(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # left to the system's settings otherwise
    if certificate is None or key is None:
        return context
    for setting, path in (("cert_file", certificate), ("key_file", key)):
        try:
            path.open("rb").close()  # OpenSSL does not say which of the two it could not read
        except OSError as error:
            raise ConfigError(
                f"could not read broker.tls.{setting} {path}: {error.strerror}"
            ) from error
    try:
        # An empty password, lest OpenSSL asks for one on a terminal that a daemon does not have.
        context.load_cert_chain(str(certificate), str(key), password=b"")
    except OSError as error:
        raise ConfigError(
            f"could not use broker.tls.cert_file {certificate} with key_file {key}:"
            f" {_cause(error)}; both are PEM, belong together, and the key has no passphrase"
        ) from error
    return context


class Handshake:
    """A context as the MQTT library uses it, which leaves the socket of a failed handshake open."""

    def __init__(self, context: ssl.SSLContext, timeout_s: float) -> None:
        self._context = context
        self._timeout_s = timeout_s
        self.check_hostname = context.check_hostname

    def wrap_socket(
        self, sock: socket.socket, *, server_hostname: str | None = None, **_: object
    ) -> ssl.SSLSocket:
        """Blocks until the handshake is over. Whatever is raised, nothing stays open."""
        sock.settimeout(self._timeout_s)
        try:
            return self._context.wrap_socket(sock, server_hostname=server_hostname)
        except BaseException:
            sock.close()
            raise


def explain(error: Exception) -> str:
    """Why dialling failed, for people: whose certificate, and what is wrong with it."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the broker's certificate is not accepted: {error.verify_message}"
        case (
            ConnectionResetError() | ssl.SSLEOFError() | ssl.SSLError(reason="WRONG_VERSION_NUMBER")
        ):
            return "no TLS handshake; does it speak TLS on this port?"
        case ssl.SSLError(reason=str(reason)):
            return f"TLS failed: {reason.replace('_', ' ').lower()}"
        case TimeoutError():
            return "no answer in time"
        case _:
            return str(error)


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not a PEM file").replace("_", " ").lower()
    return error.strerror or str(error)
