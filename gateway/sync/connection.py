"""What sync needs of a connection to a broker, without any library: the seam simulation replaces.

Here: the protocols and their values. Not here: sockets and paho (`mqtt`), when to reconnect
(`link`), what a payload means (`messages`).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gateway.errors import CloudUnavailable

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

MAX_PAYLOAD = 128 * 1024
"""Bytes, both ways: the limit of AWS IoT Core, the tightest of the brokers we mean to run on."""


class PublishRefused(CloudUnavailable):
    """The broker answered a publish with a failure code; the connection itself stands."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message from the broker. Not acknowledged until `ack` is called, once."""

    topic: str
    payload: bytes = field(repr=False)
    retained: bool
    ack: Callable[[], None] = field(repr=False)
    response_topic: str | None = None
    correlation: bytes | None = None


class Connection(Protocol):
    """One life of a connection, from CONNACK and SUBACK to its end. Never reused."""

    @property
    def peer_address(self) -> str:
        """The address the socket is connected to, as the kernel tells it; never a host name."""
        ...

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        """QoS 1; returns after the PUBACK, which proves nothing about the cloud.

        False: the broker says that nobody subscribes to the topic. Not every broker tells.

        CloudUnavailable: the connection is gone. PublishRefused: the broker said no.
        """
        ...

    def deliveries(self) -> AsyncIterator[Delivery]:
        """What arrives, in order; ends with CloudUnavailable when the connection does."""
        ...


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says in our name when we are gone; retained."""

    topic: str
    payload: bytes
    delay_s: int = 30
    """How long the broker waits for us to come back (MQTT 5, 3.1.3.2.2)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom to connect."""

    host: str
    port: int
    client_id: str
    subscribe: str
    will: Will
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive_s: int = 30
    connect_timeout_s: float = 10.0


class Connector(Protocol):
    """Opens one connection: CONNACK and SUBACK are in when the context is entered."""

    def __call__(self, endpoint: Endpoint) -> AbstractAsyncContextManager[Connection]: ...


def is_loopback(address: str) -> bool:
    """Whether an address names this machine. A host name is never believed, only an address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
