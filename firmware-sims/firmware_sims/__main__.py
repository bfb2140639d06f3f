"""The simulators' command: ``python -m firmware_sims RADIO --world FILE --control SOCKET``.

RADIO is ``zigbee``, ``ble``, ``zwave`` or ``world`` for all. Here: arguments, the line that says
it is up, signals. Not here: the world (``running``, ``ble.running``, ``zwave.running``).
Exit codes: 0 after SIGTERM or SIGINT, 78 when the world file is wrong, 71 when a port or socket
cannot be opened, 69 when the package for virtual Bluetooth controllers, or Node with its packages,
is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_sims.running import run_world
from firmware_sims.world import WorldError, read_world
from firmware_sims.zwave.network import ZwaveUnavailable
from firmware_sims.zwave.running import run_zwave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_sims.world import WorldSpec

EX_CONFIG, EX_OSERR, EX_UNAVAILABLE = 78, 71, 69


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        spec = read_world(options.world)
        if options.seed is not None:
            spec = replace(spec, seed=options.seed)
        runs = {"ble": _ble, "zwave": _zwave}
        asyncio.run(runs.get(options.radio, _zigbee)(spec, options))
    except WorldError as cause:
        print(cause, file=sys.stderr)
        return EX_CONFIG
    except OSError as cause:
        print(f"cannot open the radio's or the control's end: {cause}", file=sys.stderr)
        return EX_OSERR
    except ZwaveUnavailable as cause:
        print(cause, file=sys.stderr)
        return EX_UNAVAILABLE
    except ModuleNotFoundError as cause:
        if cause.name is None or cause.name.partition(".")[0] != "bumble":
            raise
        print(
            "Bluetooth needs the package bumble, in the version of the dev extra", file=sys.stderr
        )
        return EX_UNAVAILABLE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m firmware_sims", description="Simulated hardware for rehearsals."
    )
    radios = parser.add_subparsers(dest="radio", required=True)
    for name, help_text in (
        ("zigbee", "an EZSP stick with a network of locks"),
        ("ble", "Bluetooth adapters with devices in the air"),
        ("zwave", "a Z-Wave stick with a network of locks"),
        ("world", "all of them, with one control socket"),
    ):
        radio = radios.add_parser(name, help=help_text)
        radio.add_argument("--world", type=Path, required=True, help="TOML file: which devices")
        radio.add_argument(
            "--control", type=Path, help="unix socket to create; a loopback port when not given"
        )
        if name in ("zwave", "world"):
            # Alone, its stick is the one that --listen places.
            option = "--listen" if name == "zwave" else "--zwave-listen"
            radio.add_argument(
                option,
                dest="zwave_listen",
                type=_address,
                default=("127.0.0.1", 0),
                metavar="HOST:PORT",
            )
        if name in ("zigbee", "world"):
            line = radio.add_mutually_exclusive_group()
            line.add_argument(
                "--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT"
            )
            line.add_argument("--pty", action="store_true", help="a pseudo-terminal, not TCP")
        if name in ("ble", "world"):
            radio.add_argument(
                "--adapters", type=Path, help="directory for unix sockets, one for each adapter"
            )
        if name == "ble":
            radio.add_argument(
                "--join", metavar="DOOR", help="put the devices into the air of another process"
            )
        radio.add_argument("--state", type=Path, help="directory that remembers everything")
        radio.add_argument("--seed", type=int, help="overrides the seed of the world file")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


async def _zigbee(spec: WorldSpec, options: argparse.Namespace) -> None:
    stopped = _until_signal()
    listen = None if options.pty else options.listen
    whole = options.radio == "world"
    async with run_world(
        spec if whole else replace(spec, ble=(), zwave=()),
        listen=listen,
        control=options.control,
        state=options.state,
        sockets=options.adapters if whole else None,
        zwave_listen=options.zwave_listen if whole else ("127.0.0.1", 0),
    ) as running:
        ready = {"ready": True, "radio": running.radio, "control": running.control}
        if whole:
            ready["adapters"] = list(running.adapters.values())
            if running.zwave is not None:
                ready["zwave"] = running.zwave
        print(json.dumps(ready), flush=True)
        await stopped.wait()


async def _ble(spec: WorldSpec, options: argparse.Namespace) -> None:
    # Zigbee alone needs no library for Bluetooth.
    from firmware_sims.ble.running import run_ble

    stopped = _until_signal()
    async with run_ble(
        spec,
        control=options.control,
        state=options.state,
        sockets=options.adapters,
        join=options.join,
    ) as running:
        ready = {
            "ready": True,
            "adapters": list(running.adapters.values()),
            "door": running.door,
            "control": running.control,
        }
        print(json.dumps(ready), flush=True)
        await stopped.wait()


async def _zwave(spec: WorldSpec, options: argparse.Namespace) -> None:
    stopped = _until_signal()
    async with run_zwave(
        spec, listen=options.zwave_listen, control=options.control, state=options.state
    ) as running:
        print(
            json.dumps({"ready": True, "zwave": running.serial, "control": running.control}),
            flush=True,
        )
        await stopped.wait()


def _until_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped


if __name__ == "__main__":
    sys.exit(main())
