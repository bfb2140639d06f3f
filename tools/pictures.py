"""The README's pictures: what the terminal really shows in a demo, as SVG into docs/pictures.

Runs the demo with `--keep` (or uses the daemon behind `--socket`), runs the commands as anybody
would, and draws what they print, colours included. Not here: anything that makes up output.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OUT = Path(__file__).parents[1] / "docs" / "pictures"
COLUMNS = 96

_FONT = re.compile(r"@font-face\s*\{[^}]*\}\s*|<!--.*?-->\s*")
"""A picture in a README fetches nothing: the viewer's own monospaced font will do."""

_TELLING = ("active", "programmed", "erasing", "rejected", "pending", "paused", "erased")
"""Which state makes the best example for `why`, best first."""

_SOCKET = re.compile(r"LOCK_GATEWAY_SOCKET=(\S+)")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def picture(title: str, terminal: str, unique_id: str) -> str:
    """An SVG of what a terminal showed, escape sequences and all."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False
    )
    for line in terminal.rstrip().splitlines():
        console.print(Text.from_ansi(line.rstrip()), soft_wrap=True)
    return _FONT.sub("", console.export_svg(title=title, unique_id=unique_id))


def environment(socket: str = "") -> dict[str, str]:
    """A terminal in colour of known width, for processes whose output is drawn."""
    colours = {
        "COLUMNS": str(COLUMNS),
        "FORCE_COLOR": "1",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
    }
    kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    return {**kept, **colours, **({"LOCK_GATEWAY_SOCKET": socket} if socket else {})}


def run(socket: str, *arguments: str) -> str:
    """`lock-gateway …` as typed, with what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env=environment(socket),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


def draw(out: Path, socket: str, name: str, *arguments: str) -> None:
    words = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    shown = f"\x1b[1m$ lock-gateway {words}\x1b[0m\n{run(socket, *arguments)}"
    (out / f"{name}.svg").write_text(picture("lock-gateway", shown, name), encoding="utf-8")
    print(f"docs/pictures/{name}.svg")


def example(socket: str) -> tuple[str, str]:
    """The credential and the lock that make the most telling `why`."""
    listed = json.loads(run(socket, "codes", "--all", "--json"))["codes"]
    codes = [code for code in listed if code["origin"] != "probe"]  # the installer's own test
    if not codes:
        raise SystemExit("could not draw `why`: the gateway has no codes")
    # A code without a window has the least to tell.
    best = min(codes, key=lambda code: (code["window"]["kind"] == "always", _rank(code["state"])))
    return best["credential_id"], best["device_name"]


def _rank(state: str) -> int:
    return _TELLING.index(state) if state in _TELLING else len(_TELLING)


def commands(out: Path, socket: str, why: Sequence[str] | None) -> None:
    """Pictures of `status`, `codes` and `why` from a running daemon."""
    draw(out, socket, "status", "status")
    draw(out, socket, "codes", "codes", "--all")
    draw(out, socket, "why", "why", *(why or example(socket)))


def demo(out: Path, why: Sequence[str] | None) -> int:
    """Run the demo, draw its timeline, and draw the commands while its house still stands."""
    process = subprocess.Popen(
        [sys.executable, "-m", "firmware_sims.demo", "--keep"],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        shown = list(_until_kept(process))
        socket = _SOCKET.search(_ANSI.sub("", "".join(shown)))
        if socket is None:
            print("".join(shown), file=sys.stderr)
            print("could not draw the pictures: the demo ended early", file=sys.stderr)
            return 1
        timeline = "".join(line for line in shown if "LOCK_GATEWAY" not in line)
        (out / "demo.svg").write_text(picture("make demo", timeline, "demo"), encoding="utf-8")
        print("docs/pictures/demo.svg")
        commands(out, socket[1], why)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    return 0


def _until_kept(process: subprocess.Popen[str]) -> Iterator[str]:
    """Lines of the demo up to the one that names the socket, or to its end."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    for line in process.stdout:
        yield line
        if _SOCKET.search(_ANSI.sub("", line)):
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", help="draw this running gateway's commands; no timeline")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--why", nargs=2, metavar=("CREDENTIAL", "LOCK"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.socket:
        commands(options.out, options.socket, options.why)
        return 0
    return demo(options.out, options.why)


if __name__ == "__main__":
    sys.exit(main())
