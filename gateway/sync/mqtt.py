"""One MQTT 5 connection over paho-mqtt, driven by the event loop. The only paho import.

Here: sockets, CONNECT to SUBACK, acknowledgements, the send window. Not here: when to connect
again (`link`), what a payload means. A client object lives for one connection, so nothing the
library queued can outlive it: the store's outbox is the only queue.

The library runs without its thread: socket callbacks register with the loop, a one-second timer
does its housekeeping, and only the blocking dial (DNS, TCP, TLS) runs in an executor.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.errors import CloudUnavailable
from gateway.sync import tls
from gateway.sync.connection import (
    MAX_PAYLOAD,
    Connection,
    Delivery,
    Endpoint,
    PublishRefused,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from paho.mqtt.reasoncodes import ReasonCode

    from gateway.kit.clock import Clock

SEND_WINDOW: Final = 20
"""Unacknowledged publishes at most; the broker's Receive Maximum may lower it."""

INBOX: Final = 64
"""Messages waiting for us before the socket is no longer read. We announce `RECEIVE_MAXIMUM`,
but mosquitto 2.0.11 sends more than a client allows."""

RECEIVE_MAXIMUM: Final = 32

NO_MATCHING_SUBSCRIBERS: Final = 0x10
"""MQTT 5, 3.4.2.1: a success, and a hint that may be left out."""

PACKET_LIMIT: Final = 2 * MAX_PAYLOAD
"""What we allow the broker to send. Above the payload limit, so that a message which is too
long can be named and refused; beyond it the broker drops the message itself (MQTT 5, 3.1.2.11.4).
"""


@asynccontextmanager
async def connect(endpoint: Endpoint, *, clock: Clock) -> AsyncIterator[Connection]:
    """A `Connector`. Leaving by an error drops the line, so that the broker publishes the will."""
    connection = _PahoConnection(endpoint, clock)
    try:
        await connection.open()
        yield connection
    except asyncio.CancelledError:
        connection.close(goodbye=True)
        raise
    except BaseException:
        connection.close(goodbye=False)
        raise
    else:
        connection.close(goodbye=True)
    finally:
        await connection.ended()


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped


class _PahoConnection:
    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._client = self._make_client(endpoint)
        self._attached = False
        self._paused = False
        self._lost: CloudUnavailable | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._window = asyncio.Semaphore(SEND_WINDOW)
        self._pending: dict[int, asyncio.Future[ReasonCode]] = {}
        self._inbox: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._timer: asyncio.Task[None] | None = None
        self._peer = ""

    # ------------------------------------------------------------------ the Connection protocol

    @property
    def peer_address(self) -> str:
        return self._peer

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        if not topic or "\x00" in topic:  # either would make the broker end the connection
            raise PublishRefused("could not publish: not a topic")
        await self._window.acquire()
        if self._lost is not None:
            self._window.release()
            raise self._lost
        properties = _properties(PacketTypes.PUBLISH)
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        if correlation is not None:
            properties.CorrelationData = correlation
        try:
            info = self._client.publish(topic, payload, 1, retain, properties)
        except ValueError as error:  # a topic that came with somebody else's command
            self._window.release()
            raise PublishRefused(f"could not publish: {error}") from error
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._window.release()
            self._lose(f"could not publish to {self._where}: {info.rc.name}")
            raise self._lost or CloudUnavailable("connection lost")
        answer: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._pending[info.mid] = answer
        reason = await answer
        if reason.is_failure:
            raise PublishRefused(f"could not publish to {topic}: the broker says {reason}")
        return reason.value != NO_MATCHING_SUBSCRIBERS

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while True:
            if self._lost is not None:
                raise self._lost
            if not self._inbox:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            delivery = self._inbox.popleft()
            if self._paused and len(self._inbox) <= INBOX // 2:
                self._resume()
            yield delivery

    # ---------------------------------------------------------------------------- life and death

    async def open(self) -> None:
        """Dial, CONNECT, wait for CONNACK and SUBACK. CloudUnavailable says what went wrong."""
        dial = self._loop.run_in_executor(None, self._dial)
        try:
            await asyncio.shield(dial)
        except asyncio.CancelledError:
            dial.add_done_callback(self._abandon)
            raise
        except (OSError, ValueError) as error:  # ValueError: a host that no name can have
            why = tls.explain(error) if self._endpoint.tls else str(error)
            raise CloudUnavailable(f"could not connect to {self._where}: {why}") from error
        self._attach()
        self._timer = asyncio.create_task(self._housekeeping(), name="mqtt-timer")
        await self._ready

    def close(self, *, goodbye: bool) -> None:
        """`goodbye`: say DISCONNECT, which takes back the will; else just drop the line."""
        if self._timer is not None:
            self._timer.cancel()
        if goodbye and self._lost is None and self._attached:
            self._client.disconnect()
            self._client.loop_write()
        self._lose("connection closed")

    async def ended(self) -> None:
        if self._timer is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer

    @property
    def _where(self) -> str:
        return f"{self._endpoint.host}:{self._endpoint.port}"

    def _make_client(self, endpoint: Endpoint) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=endpoint.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = endpoint.connect_timeout_s
        client.max_inflight_messages_set(0)  # no limit of its own: `_window` is the limit
        if endpoint.tls is not None:
            handshake = tls.Handshake(endpoint.tls, endpoint.connect_timeout_s)
            client.tls_set_context(handshake)  # type: ignore[arg-type]  # it asks for no more
        if endpoint.username is not None:
            client.username_pw_set(endpoint.username, endpoint.password)
        delay = _properties(PacketTypes.WILLMESSAGE)
        delay.WillDelayInterval = endpoint.will.delay_s
        client.will_set(endpoint.will.topic, endpoint.will.payload, 1, True, delay)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_no_more_to_write
        return client

    def _dial(self) -> None:
        """Runs in the executor: nothing else touches the client meanwhile."""
        properties = _properties(PacketTypes.CONNECT)
        # The session outlives the line only for as long as the will is delayed: the will is sent
        # at the end of the session at the latest (MQTT 5, 3.1.3.2.2), so 0 would void the delay.
        # It is never resumed: each connection starts clean.
        properties.SessionExpiryInterval = self._endpoint.will.delay_s
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = PACKET_LIMIT
        self._client.connect(
            self._endpoint.host,
            self._endpoint.port,
            self._endpoint.keepalive_s,
            clean_start=True,
            properties=properties,
        )

    def _abandon(self, dial: asyncio.Future[None]) -> None:
        """Nobody waits for this dial any more; close what it may have opened."""
        if not dial.cancelled() and dial.exception() is None:
            self._drop_socket()

    def _attach(self) -> None:
        sock = self._client.socket()
        if sock is None:
            raise CloudUnavailable(f"could not connect to {self._where}: closed at once")
        self._attached = True
        try:
            self._peer = str(sock.getpeername()[0])  # type: ignore[attr-defined]  # a socket, not a websocket
        except OSError as error:
            raise CloudUnavailable(self._hung_up(str(error))) from error
        # Small packets must not wait for the peer's acknowledgement of the last one (40 ms).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[attr-defined]  # as above
        self._loop.add_reader(sock.fileno(), self._readable)
        if self._client.want_write():
            self._loop.add_writer(sock.fileno(), self._writable)

    def _hung_up(self, why: str) -> str:
        """TLS 1.3 tells a client only after its handshake that its certificate was refused."""
        if self._ready.done() or self._endpoint.tls is None:
            return f"lost {self._where}: {why}"
        return f"could not connect to {self._where}: it hung up; does it accept our certificate?"

    def _lose(self, why: str) -> None:
        """The end: every waiter learns at once. Idempotent."""
        if self._lost is not None:
            return
        self._lost = CloudUnavailable(why)
        self._drop_socket()
        waiting: list[asyncio.Future[Any]] = [*self._pending.values(), self._ready]
        self._pending.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(self._lost)
                future.exception()  # retrieved: whoever waited may have left already
        for _ in waiting:
            self._window.release()
        self._arrived.set()

    def _drop_socket(self) -> None:
        sock = self._client.socket()
        if sock is None:
            return
        self._detach(sock.fileno())
        sock.close()

    def _detach(self, fd: int) -> None:
        if self._attached and fd >= 0:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
        self._attached = False

    def _resume(self) -> None:
        self._paused = False
        sock = self._client.socket()
        if self._attached and sock is not None:
            self._loop.add_reader(sock.fileno(), self._readable)
            self._loop.call_soon(self._readable)

    # ------------------------------------------------------------------- driven by the event loop

    def _readable(self) -> None:
        if self._paused or not self._attached:
            return
        try:
            self._client.loop_read()
        except Exception as error:  # noqa: BLE001 - the library's parser met a stranger's bytes
            self._lose(f"protocol error from {self._where}: {type(error).__name__}")
            return
        sock = self._client.socket()
        if sock is None:
            return
        if len(self._inbox) >= INBOX:
            self._paused = True
            self._loop.remove_reader(sock.fileno())
        elif isinstance(sock, ssl.SSLSocket) and sock.pending():
            self._loop.call_soon(self._readable)  # decrypted already: no more readiness to come

    def _writable(self) -> None:
        if self._attached:
            self._client.loop_write()

    async def _housekeeping(self) -> None:
        deadline = self._clock.monotonic() + self._endpoint.connect_timeout_s
        while self._lost is None:
            await self._clock.sleep(1.0)
            if self._lost is None:
                self._client.loop_misc()
            if not self._ready.done() and self._clock.monotonic() >= deadline:
                self._lose(f"could not connect to {self._where}: no answer from the broker")

    # --------------------------------------------------------------------------- paho's callbacks

    def _on_connect(
        self,
        _c: Client,
        _u: Any,
        _f: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refuse_later(f"could not connect to {self._where}: the broker says {reason}")
            return
        allowed = getattr(properties, "ReceiveMaximum", SEND_WINDOW)
        self._window = asyncio.Semaphore(min(SEND_WINDOW, allowed))
        self._client.subscribe(
            self._endpoint.subscribe,
            options=SubscribeOptions(
                qos=1,
                noLocal=True,
                retainAsPublished=True,  # a retained message is refused, however it reaches us
                retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE,
            ),
        )

    def _on_subscribe(
        self, _c: Client, _u: Any, _mid: int, reasons: list[ReasonCode], _p: Properties | None
    ) -> None:
        refused = [reason for reason in reasons if reason.is_failure]
        if refused:
            self._refuse_later(f"could not subscribe at {self._where}: {refused[0]}")
        elif not self._ready.done():
            self._ready.set_result(None)

    def _on_publish(
        self, _c: Client, _u: Any, mid: int, reason: ReasonCode, _p: Properties | None
    ) -> None:
        answer = self._pending.pop(mid, None)
        if answer is None:
            return
        self._window.release()
        if not answer.done():
            answer.set_result(reason)

    def _on_message(self, client: Client, _u: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # nobody's topic; refused as such
        mid, qos = message.mid, message.qos

        def ack() -> None:
            if self._lost is None:
                client.ack(mid, qos)

        self._inbox.append(
            Delivery(
                topic=topic,
                payload=bytes(message.payload),
                retained=message.retain,
                ack=ack,
                response_topic=getattr(message.properties, "ResponseTopic", None),
                correlation=getattr(message.properties, "CorrelationData", None),
            )
        )
        self._arrived.set()

    def _on_disconnect(
        self, _c: Client, _u: Any, _f: DisconnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        self._refuse_later(self._hung_up(str(reason)))

    def _on_socket_close(self, _c: Client, _u: Any, sock: Any) -> None:
        self._detach(sock.fileno())

    def _on_want_write(self, _c: Client, _u: Any, sock: Any) -> None:
        if self._attached:
            self._loop.add_writer(sock.fileno(), self._writable)

    def _on_no_more_to_write(self, _c: Client, _u: Any, sock: Any) -> None:
        if self._attached and sock.fileno() >= 0:
            self._loop.remove_writer(sock.fileno())

    def _refuse_later(self, why: str) -> None:
        """End it once the library is out of its own callback."""
        self._loop.call_soon(self._lose, why)
