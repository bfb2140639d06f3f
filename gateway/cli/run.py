"""Commands that are processes of their own: `run`, `check-config`, `demo`.

The daemon is imported here and only when it is to run; the demo is started as a process, because
the gateway imports no simulator.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import reporting

DEFAULT_CONFIG = Path("/etc/lock-gateway/config.toml")
CONFIG_ENV = "LOCK_GATEWAY_CONFIG"

Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar=CONFIG_ENV, show_envvar=True, help="The configuration."),
]


def add_to(app: typer.Typer) -> None:
    app.command(name="run")(run)
    app.command()(check_config)
    app.command()(demo)


def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run the gateway in the foreground, as systemd does."""
    from gateway.errors import ConfigError

    try:
        # The daemon and its radios: a second that no other command pays.
        from gateway import app

        code = app.run(config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        code = Exit.CONFIG
    raise typer.Exit(code)


def check_config(
    config: Config = DEFAULT_CONFIG,
    json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Read the configuration and name everything that is wrong with it. Exit 78 if anything is."""
    from gateway.config import load
    from gateway.errors import ConfigError

    problems: list[str] = []
    try:
        load(config)
    except ConfigError as error:
        first, *listed = str(error).splitlines()
        problems = [line.strip() for line in listed] or [first]
    if json:
        import json as jsonlib

        print(jsonlib.dumps({"config": str(config), "problems": problems}, ensure_ascii=False))
    elif not problems:
        print(f"{config}: nothing wrong")
    else:
        print(f"{config}: {len(problems)} wrong", file=sys.stderr)
        for problem in problems:
            print(f"  {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(Exit.CONFIG)


def demo(
    report: Annotated[
        Path | None, typer.Option("--report", help="Write what was seen as JSON.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")
    ] = False,
) -> None:
    """The main job on simulated locks, as a timeline. Exit 0 only if every step held."""
    with reporting():
        command = [sys.executable, "-m", "firmware_sims.demo"]
        if report is not None:
            command += ["--report", str(report)]
        if keep:
            command.append("--keep")
        try:
            process = subprocess.Popen(command)  # noqa: S603 - our own module, our own arguments
        except OSError as error:
            raise Failure(f"could not start the demo: {error}", Exit.FAILED) from error
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                continue  # the terminal told the demo as well; it cleans up and ends
        raise typer.Exit(code if code >= 0 else 128 - code)
