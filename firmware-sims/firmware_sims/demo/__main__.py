"""`python -m firmware_sims.demo [--report FILE] [--keep]`: exit 0 only if every step held."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from firmware_sims.demo.course import perform
from firmware_sims.demo.over_zwave import missing
from firmware_sims.demo.stage import stage
from firmware_sims.demo.steps import Demo
from firmware_sims.demo.timeline import Timeline

WORLD = Path(__file__).with_name("house.toml")
ZWAVE = Path(__file__).with_name("zwave.toml")


def main() -> int:
    parser = argparse.ArgumentParser(prog="lock-gateway demo", description=__doc__)
    parser.add_argument("--report", type=Path, metavar="FILE", help="what was checked, as JSON")
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running at the end, until Ctrl-C"
    )
    options = parser.parse_args()
    console = Console(highlight=False)
    line = Timeline(console)
    folder = Path(tempfile.mkdtemp(prefix="lock-gateway-demo-"))
    try:
        asyncio.run(_run(line, folder, keep=options.keep))
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except Exception as error:  # noqa: BLE001 - whatever stopped it is told, with the logs' place
        console.print(f"\n[red]The demo stopped:[/red] {type(error).__name__}: {error}")
        console.print(f"Logs are kept in {folder}")
    finally:
        if options.report:
            line.report(options.report)
    if line.held:
        shutil.rmtree(folder, ignore_errors=True)
    checks = sum(len(step.checks) for step in line.steps)
    failed = sum(not check.held for step in line.steps for check in step.checks)
    word = "[green]Every step held[/green]" if line.held else "[red]Not every step held[/red]"
    console.print(f"\n{word}: {len(line.steps)} steps, {checks} checks, {failed} failed.")
    return 0 if line.held else 1


async def _run(line: Timeline, folder: Path, *, keep: bool) -> None:
    world = folder / "house.toml"
    tables = [WORLD.read_text(encoding="utf-8")]
    if lacking := missing():
        line.console.print(f"No Z-Wave door: {lacking}", soft_wrap=True)
    else:
        tables.append(ZWAVE.read_text(encoding="utf-8"))
    world.write_text("\n".join(tables), encoding="utf-8")
    async with stage(folder, world) as everything:
        await perform(Demo(everything, line))
        if keep:
            # Unwrapped, so that it can be pasted into another terminal.
            line.console.print(
                f"\nexport LOCK_GATEWAY_SOCKET={everything.daemon.socket}"
                f" LOCK_GATEWAY_SIM={folder / 'doors.sock'}  # still running; Ctrl-C ends it",
                soft_wrap=True,
            )
            await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
