"""zigpy's application over bellows, as this house wants it: settings, opening, probing, closing.

Here: what must be known of the libraries' inside. Not here: what anybody sees of it (radio).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiosqlite
import bellows.zigbee.application  # type: ignore[import-untyped]  # bellows has no types
import structlog
import zigpy.appdb
import zigpy.application
import zigpy.util
from bellows.types import (  # type: ignore[import-untyped]  # bellows has no types
    EzspDecisionBitmask,
    EzspPolicyId,
)
from zigpy.types import EUI64
from zigpy.zcl.clusters.closures import DoorLock

from gateway.domain.instant import Instant, from_datetime
from gateway.errors import RadioRefused, RadioUnavailable
from gateway.kit.files import sync_folder
from gateway.radios.zigbee import house_time  # noqa: F401 - zigpy takes its cluster on import
from gateway.radios.zigbee.plain import LIBRARY_ERRORS

if TYPE_CHECKING:
    from datetime import tzinfo

    from gateway.kit.clock import Clock

log = structlog.get_logger(__name__)

BACKUP_PERIOD_S = 24 * 3600
"""A restored backup counts its frames from the backup's counter, so it must not be months old."""
BACKUP_DELAY_S = 60
"""After a start there is better to do: a backup is some 500 commands to the stick."""

_LAST_USED_PIN = 0x0101


class RedactingDoorLock(DoorLock):
    """The cluster as zigpy knows it, which keeps some makers' "last used PIN" to itself.

    zigpy would write the reported digits into its database. Defining the class puts it into
    zigpy's registry in place of the original.
    """

    def _update_attribute(self, attrid: Any, value: Any) -> None:
        if attrid != _LAST_USED_PIN:
            super()._update_attribute(attrid, value)

    def emit(self, event_name: str, data: Any = None) -> None:
        if getattr(data, "attribute_id", None) != _LAST_USED_PIN:
            super().emit(event_name, data)


def settings(
    device: str, database: Path, channel: int, *, baudrate: int, flow_control: str
) -> dict[str, Any]:
    """zigpy's configuration. `flow_control`: "none", "hardware" or "software"."""
    return {
        "device": {
            "path": device,
            "baudrate": baudrate,
            "flow_control": None if flow_control == "none" else flow_control,
        },
        "database_path": str(database),
        "network": {"channel": channel},
        "ota": {"enabled": False},  # its default providers are on the internet
        "topology_scan_enabled": False,  # traffic that nobody here reads
        "backup_enabled": False,  # at every start, at once; see `back_up_daily`
        "validate_network_settings": True,  # another stick's network is not silently adopted
        "watchdog_enabled": False,  # finds a hung stick after 100 s; the keeper probes instead
        "use_thread": False,
    }


class Application(bellows.zigbee.application.ControllerApplication):  # type: ignore[misc]  # bellows has no types
    """One life of the radio: made, opened, closed, thrown away."""

    def __init__(self, config: dict[str, Any], zone: tzinfo, clock: Clock | None = None) -> None:
        """`clock`: whose time nodes are told when they ask; None: nobody's."""
        super().__init__(config)
        self.local_timezone = zone
        self.house_clock = clock

    async def open(self) -> None:
        """`RadioUnavailable` says why not; `RadioRefused` where trying again cannot help."""
        try:
            await self._load_db()
            await self.startup(auto_form=True)
        except zigpy.exceptions.NetworkSettingsInconsistent as error:
            raise RadioRefused(
                "could not open the Zigbee radio: the stick's network is not the one in the "
                "database; put the former stick back, or restore the backup to this one"
            ) from error
        except zigpy.exceptions.CorruptDatabase as error:
            raise RadioRefused(
                "could not open the Zigbee radio: its database is damaged; move it aside to start "
                "anew (nodes must join again) or put a copy back"
            ) from error
        except aiosqlite.Error as error:
            raise RadioUnavailable(f"could not open the Zigbee database: {error}") from error
        except LIBRARY_ERRORS as error:
            cause = str(error.__cause__ or error) or type(error).__name__
            raise RadioUnavailable(f"could not open the Zigbee radio: {cause}") from error

    async def _load_db(self) -> None:
        """Called by the library: its own way, but safe from power cuts.

        It would make its tables one by one in the file itself, and refuse for ever one in which
        some are missing; and with its `synchronous = normal` it may forget who joined.
        """
        path = Path(self.config["database_path"])
        if _blank(path):
            await self._make_db(path)
        await super()._load_db()
        await self._dblistener.execute("PRAGMA synchronous = FULL")

    async def _make_db(self, path: Path) -> None:
        """Under another name until it is complete."""
        unfinished = path.with_name(path.name + ".new")
        for part in ("", "-wal", "-shm"):
            unfinished.with_name(unfinished.name + part).unlink(missing_ok=True)
        private(unfinished)
        maker = await zigpy.appdb.PersistingListener.new(str(unfinished), self)
        await maker.shutdown()
        unfinished.replace(path)
        sync_folder(path.parent)

    async def probe(self) -> None:
        try:
            await self._ezsp.nop()
        except (AttributeError, *LIBRARY_ERRORS) as error:
            raise RadioUnavailable("the stick does not answer") from error

    async def back_up_daily(self, clock: Clock) -> None:
        """Into the database, also across restarts. Forming a network makes the first."""
        while True:
            newest = self.backups.most_recent_backup()
            taken = from_datetime(newest.backup_time) if newest else Instant(0)
            age_s = (clock.now() - taken) / 1000
            await clock.sleep(max(BACKUP_DELAY_S, BACKUP_PERIOD_S - max(0.0, age_s)))
            try:
                await self.backups.create_backup()
            except LIBRARY_ERRORS as error:
                log.warning("network backup failed", cause=type(error).__name__)

    async def close(self) -> None:
        await self.shutdown()  # also ends the database's thread; logs its own failures

    async def admit(self, address: str, install_code: bytes, seconds: int) -> None:
        """Open the network to one node with its install code. Raises ValueError for its CRC."""
        key = zigpy.util.convert_install_code(install_code)
        await self.permit_with_link_key(EUI64.convert(address), key, seconds)

    async def admit_anyone(self, seconds: int) -> None:
        """Open the network to whoever has the well-known key."""
        await self.permit(seconds)

    async def permit(self, time_s: int = 60, node: Any = None) -> None:
        """Closing (also at every start) must not do what bellows does before opening.

        That is: offer the well-known key to everyone and allow unsecured rejoins for two seconds.
        """
        if time_s:
            await super().permit(time_s, node)
            return
        await zigpy.application.ControllerApplication.permit(self, 0, node)
        if self._ezsp.ezsp_version >= 8:
            await self._ezsp.setPolicy(
                policyId=EzspPolicyId.TRUST_CENTER_POLICY,
                decisionId=EzspDecisionBitmask.ALLOW_JOINS,  # needs an open network as well
            )
        await self._ezsp.clearTransientLinkKeys()


def _blank(path: Path) -> bool:
    return not path.exists() or path.stat().st_size == 0


def private(path: Path) -> None:
    """Make sure that only we can read the file: it holds the network's key, not encrypted."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)


def hush() -> None:
    """At DEBUG these libraries log every frame, digits and keys included."""
    for name in ("zigpy", "bellows", "aiosqlite"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
