"""The one tree of errors. Every class answers "try again?" by `retry`; nothing here holds a secret.

    GatewayError
    ├── ConfigError              the operator's: a setting is wrong                 NEVER
    ├── RadioError               our side of the air
    │   ├── RadioUnavailable     stick missing, port closed, network down           LATER
    │   ├── RadioBusy            queue full                                         LATER
    │   └── RadioRefused         the stick said no to a well-formed order           NEVER
    ├── LinkError                the conversation with one device
    │   ├── Unreachable          nothing was delivered, so nothing was changed      LATER
    │   └── OutcomeUnknown       perhaps delivered; only a reading can tell         AFTER_READ_BACK
    ├── ProtocolError
    │   ├── LocalProtocolError   we asked for something illegal (a defect of ours)  NEVER
    │   └── PeerProtocolError    the device's answer makes no sense                 AFTER_READ_BACK
    ├── DeviceRefused            the device said no; `refusal` says why             by refusal
    ├── StoreError
    │   ├── StoreFull            no space left; nothing was written                 LATER
    │   ├── StoreBusy            another process or a reader holds it               LATER
    │   ├── StoreUnreadable      the database is damaged or from a newer release    NEVER
    │   └── StoreClosed          shutting down                                      LATER
    ├── MessageError             the cloud's: a message that cannot be accepted     NEVER
    ├── CloudUnavailable         broker or cloud away                               LATER
    └── RequestError             a local caller's: unknown device, bad argument     NEVER

Messages read "could not <verb> <object>: <cause>". Ids travel as attributes, digits and keys never.
"""

from __future__ import annotations

from enum import Enum


class Retry(Enum):
    """What a caller may do after a failure."""

    LATER = "later"
    """Nothing changed: the same attempt may be made again after a pause."""
    AFTER_READ_BACK = "after_read_back"
    """Something may have changed: read the device before deciding."""
    NEVER = "never"
    """The same attempt will fail again until the desired value changes."""


class Refusal(Enum):
    """Why a device, or the gateway on its behalf, said no."""

    DUPLICATE = "duplicate_code"
    FULL = "full"
    LENGTH = "length"
    CHARSET = "charset"
    WEAK = "weak_code"
    NOT_AUTHORISED = "not_authorised"
    UNSUPPORTED = "unsupported"
    BUSY = "busy"
    JAMMED = "jammed"
    INVALID = "invalid_value"
    FAILED = "failed"

    @property
    def retry(self) -> Retry:
        """Whether the same request can succeed without a change of the desired value."""
        return Retry.LATER if self in _PASSING else Retry.NEVER

    @property
    def definite(self) -> bool:
        """Whether the word names a reason: then nothing was done. Else nobody knows."""
        return self not in _VAGUE


_PASSING = frozenset({Refusal.FULL, Refusal.BUSY, Refusal.JAMMED, Refusal.FAILED})
_VAGUE = frozenset({Refusal.BUSY, Refusal.FAILED})


class GatewayError(Exception):
    """Base of everything this program raises on purpose."""

    retry: Retry = Retry.NEVER


class ConfigError(GatewayError):
    """A setting is missing, unknown or of the wrong type; the message names the key."""


class RadioError(GatewayError):
    """The radio itself, not a device behind it."""


class RadioUnavailable(RadioError):
    retry = Retry.LATER


class RadioBusy(RadioError):
    retry = Retry.LATER


class RadioRefused(RadioError):
    pass


class LinkError(GatewayError):
    """One device's link."""


class Unreachable(LinkError):
    retry = Retry.LATER


class OutcomeUnknown(LinkError):
    retry = Retry.AFTER_READ_BACK


class ProtocolError(GatewayError):
    """Bytes or an order of messages that the protocol forbids."""


class LocalProtocolError(ProtocolError):
    pass


class PeerProtocolError(ProtocolError):
    retry = Retry.AFTER_READ_BACK


class DeviceRefused(GatewayError):
    """The device understood and declined."""

    def __init__(self, message: str, refusal: Refusal) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.retry = refusal.retry


class StoreError(GatewayError):
    """The database."""


class StoreFull(StoreError):
    retry = Retry.LATER


class StoreBusy(StoreError):
    retry = Retry.LATER


class StoreUnreadable(StoreError):
    pass


class StoreClosed(StoreError):
    retry = Retry.LATER


class MessageError(GatewayError):
    """A message from the cloud that will not be accepted; `code` is stable, for machines."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class CloudUnavailable(GatewayError):
    retry = Retry.LATER


class RequestError(GatewayError):
    """A local caller asked for something that does not exist or may not be had."""

    def __init__(self, message: str, code: str = "bad_request") -> None:
        super().__init__(message)
        self.code = code
