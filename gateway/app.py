"""The composition root: the only file that names concrete classes and puts them together.

Order: settings, logs, store, clock trust, radio and scheduler, local API, cloud. Each part is a
named task under one supervisor. The process is ready when the store is open and the local API
answers, because neither a missing radio nor a missing cloud may keep the rest from working.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets  # noqa: TID251 - this is where chance and ids are handed out
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom  # noqa: TID251 - this is where chance is handed out
from typing import TYPE_CHECKING

import structlog

from gateway import __version__, config, logs
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.timebelief import Limits, Source
from gateway.domain.wants import Policy
from gateway.drivers.catalog import driver_for, families
from gateway.errors import ConfigError, RadioUnavailable, StoreError
from gateway.housekeeping import Housekeeper, Kept
from gateway.local.access import Access
from gateway.local.api import LocalApi, Site
from gateway.local.operations import CloudState, PlanView
from gateway.local.server import LocalServer
from gateway.radios.arbiter import Arbiter
from gateway.radios.gatt import SignalKeeper
from gateway.radios.keeper import Pace as RadioPace
from gateway.scheduler.claimed import Claimed
from gateway.scheduler.fleet import Fleet
from gateway.scheduler.loop import Scheduler
from gateway.scheduler.loop import Settings as SchedulerSettings
from gateway.scheduler.probe import Prober
from gateway.sdnotify import Notifier
from gateway.starting import note_start
from gateway.store import meta
from gateway.store.database import Store, open_store
from gateway.store.identities import Identities
from gateway.store.keyring import Keyring, bind_key, load_or_create_key
from gateway.store.network_keys import NetworkKeys
from gateway.supervisor import OnEnd, Supervisor
from gateway.sync import tls
from gateway.sync.link import Broker, CloudLink, Pace
from gateway.sync.presence import Identity
from gateway.timekeeping.clock import HouseClock
from gateway.timekeeping.host import LinuxHost
from gateway.timekeeping.keeper import TimeKeeper
from gateway.timekeeping.proof import Issuers, load_keys
from gateway.timekeeping.witness import Witness

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from gateway.config import BrokerSection, Settings
    from gateway.domain.actions import Action
    from gateway.domain.probe import ProbeProgress
    from gateway.domain.secret import Secret
    from gateway.drivers.access import EnrolStage, KeyHolder, Medium, MediumKind, Setting
    from gateway.drivers.claims import ClaimOrder, Found, PairProgress
    from gateway.radios.api import JoinOrder, JoinProgress, Radio, RadioState
    from gateway.radios.gatt import GattRadio
    from gateway.radios.zigbee import ZigbeeRadio
    from gateway.radios.zwave import ZwaveRadio
    from gateway.scheduler.admission import MeshRadio
    from gateway.store.tx import Tx

log = structlog.get_logger()

M_ARENA_MAX = -8
CONVERSATIONS = 16
"""How many devices may be spoken with at once; the radio queues what exceeds its own window."""
SWITCH_S = 0.0005
"""How long a thread that unpacks, reads or writes may keep the loop waiting (Python: 5 ms)."""


def run(path: Path) -> int:
    """Run the daemon until SIGTERM or SIGINT; the exit code. Raises ConfigError."""
    _spare_memory()
    settings = config.load(path)
    logs.configure(settings.logs.level, settings.logs.format)
    sys.setswitchinterval(SWITCH_S)
    try:
        return asyncio.run(_serve(settings))
    except StoreError as error:
        log.error("the gateway cannot start", cause=str(error))
        return 1


def _spare_memory() -> None:
    """One heap for all threads: glibc otherwise gives each its own, and they only wait for SQLite.

    M_ARENA_MAX, mallopt(3); another C library has no such call and needs none.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    host = LinuxHost(assume_synchronised=settings.time.trust == "assume")
    clock = HouseClock(host)
    key = load_or_create_key(
        settings.secrets.key_file, _credentials_directory(), _state_dir(settings)
    )
    async with open_store(settings.gateway.state_dir / "state.db", clock) as store:
        keyring = Keyring(key)
        await store.submit(lambda tx: bind_key(tx, keyring))
        keeper = _keeper(settings, host, clock, store)
        await keeper.begin()
        house = await _build(settings, store, keyring, host, clock, keeper)
        house.supervisor.start()
        ready = asyncio.create_task(_say_ready(house), name="ready")
        await house.supervisor.run_until(stop)
        ready.cancel()
        await house.notifier.stopping()
    return 0 if house.supervisor.fault is None else 1


async def _say_ready(house: House) -> None:
    await house.local.started()
    log.info("the gateway is up", gateway=house.gateway_id, version=__version__)
    await house.notifier.ready()


@dataclass(frozen=True, slots=True)
class House:
    """What the process itself needs of the parts."""

    gateway_id: str
    supervisor: Supervisor
    local: LocalServer
    notifier: Notifier


async def _build(
    settings: Settings,
    store: Store,
    keyring: Keyring,
    host: LinuxHost,
    clock: HouseClock,
    keeper: TimeKeeper,
) -> House:
    gateway_id = await _gateway_id(settings, store)
    boot = await note_start(store, clock)
    zone = settings.gateway.site_zone
    meshes = (_zigbee(settings, clock), _zwave(settings, clock, store, keyring))
    radios: list[MeshRadio] = [mesh for mesh in meshes if mesh is not None]
    bluetooth = _bluetooth(settings, clock)
    if not radios and bluetooth is None:
        log.warning("no radio is enabled: no lock can be reached")
    identities = Identities(settings.gateway.state_dir / "devices.json", _new_device_id)
    claimed = None
    if bluetooth is not None:
        known = families(SystemRandom(), clock.now)
        claimed = Claimed(store, keyring, clock, bluetooth, known, zone, identities)
    fleet = Fleet(store, clock, radios, driver_for, zone, identities, claimed)
    scheduler = Scheduler(
        store,
        keyring,
        clock,
        fleet,
        SchedulerSettings(_policy(settings), zone, settings.policy.erase_alarm_s),
        Arbiter(CONVERSATIONS),
        keeper.moment,
        keeper.write_with,
    )
    keeper.changed = scheduler.time_changed
    witness = Witness(keeper, host, _issuers(settings, gateway_id), _new_nonce)
    identity = Identity(gateway_id, store.opened.epoch, __version__, boot)
    link = _link(settings, identity, store, keyring, clock, witness)
    prober = Prober(store, keyring, clock, secrets.randbelow, _new_probe_id)
    every: list[Radio] = [*radios, *([bluetooth] if bluetooth is not None else [])]
    operations = _Operations(every, fleet, scheduler, prober, link, str(_broker(settings.broker)))
    access = Access(settings.local.status_group, settings.local.operator_group)
    api = LocalApi(store, clock, keyring, operations, Site(gateway_id, zone), witness)
    local = LocalServer(api.application(access), settings.local.socket, settings.local.status_group)
    notifier = Notifier.from_environment()

    supervisor = Supervisor(clock)
    supervisor.add("time", keeper.run, OnEnd.RESTART)
    supervisor.add("scheduler", scheduler.run)
    for each in every:
        supervisor.add(each.name, each.run, OnEnd.RESTART)
    supervisor.add("local api", local.run)
    supervisor.add("cloud", link.run, OnEnd.RESTART)
    kept = Kept(settings.events.keep_days, settings.events.keep_rows)
    keeping = Housekeeper(store, clock, settings.gateway.state_dir, kept)
    supervisor.add("housekeeping", keeping.run, OnEnd.RESTART)
    supervisor.add("watchdog", lambda: notifier.watchdog(clock), OnEnd.MAY_FINISH)
    return House(gateway_id, supervisor, local, notifier)


# ── parts ───────────────────────────────────────────────────────────────────────────────


def _credentials_directory() -> Path | None:
    lent = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(lent) if lent else None


def _state_dir(settings: Settings) -> Path:
    folder = settings.gateway.state_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"could not use gateway.state_dir {folder}: {error.strerror}") from error
    return folder


async def _gateway_id(settings: Settings, store: Store) -> str:
    """The configured one, else the one made at the first start."""
    if settings.gateway.id is not None:
        return settings.gateway.id

    def known_or_new(tx: Tx) -> str:
        known = tx.one(meta.text("gateway_id"))
        if not known:
            known = f"gw_{secrets.token_hex(8)}"
            meta.put(tx, "gateway_id", known)
        return known

    return await store.submit(known_or_new)


def _keeper(settings: Settings, host: LinuxHost, clock: HouseClock, store: Store) -> TimeKeeper:
    chosen = settings.time
    limits = Limits(
        drift_ppm=chosen.drift_ppm, longest_outage_s=chosen.longest_outage_days * 86_400
    )
    return TimeKeeper(
        host, clock, store, limits=limits, ntp_is_authenticated=chosen.ntp_is_authenticated
    )


def _issuers(settings: Settings, gateway_id: str) -> Issuers:
    chosen = settings.time
    return Issuers(
        gateway_id,
        {
            Source.CLOUD: load_keys(chosen.cloud_issuers, "time.cloud_issuers"),
            Source.TECHNICIAN: load_keys(chosen.technician_issuers, "time.technician_issuers"),
        },
    )


def _policy(settings: Settings) -> Policy:
    chosen = settings.policy
    return Policy(
        lead_s=chosen.lead_s,
        write_ahead_s=chosen.write_ahead_days * 86_400,
        reserved_slots=frozenset(chosen.reserved_slots),
        identical_writes_per_day=chosen.identical_writes_per_day,
    )


def _zigbee(settings: Settings, clock: HouseClock) -> ZigbeeRadio | None:
    chosen = settings.zigbee
    if not chosen.enabled or chosen.device is None:
        return None
    # Here, because zigpy and bellows take some 20 MB, which a site without Zigbee has no use for.
    from gateway.radios.zigbee import ZigbeeRadio

    return ZigbeeRadio(
        chosen.device,
        settings.gateway.state_dir / "zigbee.db",
        channel=chosen.channel,
        baudrate=chosen.baudrate,
        flow_control=chosen.flow_control,
        clock=clock,
        zone=settings.gateway.site_zone,
        pace=RadioPace(probe_interval_s=chosen.probe_interval_s),
    )


def _zwave(
    settings: Settings, clock: HouseClock, store: Store, keyring: Keyring
) -> ZwaveRadio | None:
    chosen = settings.zwave
    if not chosen.enabled or (chosen.device is None and chosen.server is None):
        return None
    # Here, because its client takes some 20 MB, which a site without Z-Wave has no use for.
    from gateway.radios.zwave import KEY_BYTES, KEY_NAMES, Door, Server, ZwaveRadio

    pace = RadioPace(probe_interval_s=chosen.probe_interval_s)
    if chosen.server is not None:
        return ZwaveRadio(Door(chosen.server), clock=clock, pace=pace)
    folder = settings.gateway.state_dir
    kept = NetworkKeys(store, keyring, folder / "zwave-keys.json", "zwave", secrets.token_bytes)

    async def keys() -> Mapping[str, Secret]:
        try:
            return await kept.load(KEY_NAMES, KEY_BYTES)
        except StoreError as error:  # the other radios' doors are kept all the same
            raise RadioUnavailable(str(error)) from error

    server = Server(
        str(chosen.device),
        folder / "zwave",
        keys,
        zone=settings.gateway.site_zone,
        node=chosen.node,
    )
    return ZwaveRadio(server, clock=clock, pace=pace)


def _bluetooth(settings: Settings, clock: HouseClock) -> GattRadio | None:
    chosen = settings.bluetooth
    if not chosen.enabled:
        return None
    # Here, because it brings bleak and D-Bus, which a site without Bluetooth has no use for.
    from gateway.radios.ble import BleRadio, load

    backend = load(chosen.backend) if chosen.backend is not None else None
    if backend is not None:
        log.warning("Bluetooth is rehearsed: no real adapter is used", backend=chosen.backend)
    return BleRadio(chosen.adapters, clock=clock, connections=chosen.connections, backend=backend)


def _broker(chosen: BrokerSection) -> Broker:
    password = None
    if chosen.password_file is not None:
        try:
            password = chosen.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(
                f"could not read broker.password_file {chosen.password_file}: {error.strerror}"
            ) from error
    return Broker(
        chosen.host, chosen.port, _tls(chosen), chosen.username, password, chosen.keepalive_s
    )


def _tls(chosen: BrokerSection) -> ssl.SSLContext | None:
    files = chosen.tls
    return None if files is None else tls.build(files.ca_file, files.cert_file, files.key_file)


def _link(
    settings: Settings,
    identity: Identity,
    store: Store,
    keyring: Keyring,
    clock: HouseClock,
    witness: Witness,
) -> CloudLink:
    chosen = settings.broker
    return CloudLink(
        _broker(chosen),
        identity,
        store=store,
        keyring=keyring,
        clock=clock,
        random=SystemRandom(),
        new_nonce=_new_nonce,
        accept_unsigned=chosen.accept_unsigned,
        pace=Pace(
            first_retry_s=(chosen.reconnect_min_s, chosen.reconnect_min_s * 5),
            retry_cap_s=chosen.reconnect_max_s,
        ),
        witness=witness,
    )


def _new_nonce() -> str:
    return secrets.token_urlsafe(16)


def _new_device_id() -> DeviceId:
    return DeviceId(f"dev_{secrets.token_hex(6)}")


def _new_probe_id() -> CredentialId:
    return CredentialId(f"probe_{secrets.token_hex(6)}")


class _Operations:
    """What the local API asks of the running parts."""

    def __init__(
        self,
        radios: list[Radio],
        fleet: Fleet,
        scheduler: Scheduler,
        prober: Prober,
        link: CloudLink,
        broker: str,
    ) -> None:
        self._radios = radios
        self._fleet = fleet
        self._scheduler = scheduler
        self._prober = prober
        self._link = link
        self._broker = broker

    def radio_states(self) -> Mapping[str, RadioState]:
        return {radio.name: radio.state for radio in self._radios}

    def cloud_state(self) -> CloudState:
        state = self._link.state
        return CloudState(state.connected, state.since, self._broker, state.reason)

    def join(self, order: JoinOrder, name: str | None) -> AsyncIterator[JoinProgress]:
        return self._fleet.join(order, name)

    def leave(self, duration_s: int) -> AsyncIterator[JoinProgress]:
        return self._fleet.leave(duration_s)

    def keyless(self) -> frozenset[DeviceId]:
        return self._fleet.keyless()

    def signals(self, radio: str) -> SignalKeeper | None:
        named = (each for each in self._radios if each.name == radio)
        return next((each for each in named if isinstance(each, SignalKeeper)), None)

    async def in_range(self) -> Sequence[Found]:
        return await self._fleet.in_range()

    def pair(self, order: ClaimOrder, name: str | None) -> AsyncGenerator[PairProgress]:
        return self._fleet.pair(order, name)

    def probe(self, device_id: DeviceId, actor: str) -> AsyncGenerator[ProbeProgress]:
        return self._prober.probe(device_id, actor)

    async def settings(self, device_id: DeviceId) -> Sequence[Setting]:
        return await self._scheduler.asking.settings(device_id)

    async def media(self, device_id: DeviceId, kind: MediumKind) -> Sequence[Medium]:
        return await self._scheduler.asking.media(device_id, kind)

    async def keys(self, device_id: DeviceId) -> Sequence[KeyHolder]:
        return await self._scheduler.asking.keys(device_id)

    def watch_enrolment(
        self, command_id: str, told: Callable[[EnrolStage], None]
    ) -> Callable[[], None]:
        return self._scheduler.onlookers.watch(command_id, told)

    def entrust(self, command_id: str, number: Secret) -> Callable[[], None]:
        return self._scheduler.entrusted.give(command_id, number)

    async def plan(self, device_id: DeviceId) -> PlanView:
        decided = await self._scheduler.view(device_id)
        return PlanView(
            [_sentence(action) for action in decided.actions],
            list(decided.verdicts),
            decided.next_look,
        )


_VERBS = {"ReadSlot": "read", "CheckClock": "check clock", "ReadLog": "read log"}


def _sentence(action: Action) -> str:
    """`erase slot 4 (guest-17)`."""
    words = [_VERBS.get(type(action).__name__, type(action).__name__)]
    slot = getattr(action, "slot", None)
    if slot is not None:
        words.append(f"slot {slot}")
    credential = getattr(action, "credential_id", None)
    if credential is not None:
        words.append(f"({credential})")
    return (
        " ".join(words).lower()
        if credential is None
        else (" ".join(words[:-1]).lower() + f" {words[-1]}")
    )
