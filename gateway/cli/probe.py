"""`lock-gateway probe LOCK`: see at the door whether a lock keeps the schedules it promises.

Here: what the installer reads and types. Not here: the test itself (the daemon runs it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Device, Json, Socket, connect, reporting
from gateway.cli.output import print_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cli.client import Document

_VERDICTS = {
    "opened": (
        "the lock opened for a code outside its window: it does not keep schedules",
        "Its windows stay with the gateway, which writes and erases on time.",
        Exit.FAILED,
    ),
    "unanswered": (
        "could not tell whether the lock keeps schedules: nobody typed the code in time",
        "Run it again while standing at the door.",
        Exit.TRY_AGAIN,
    ),
    "failed": (
        "could not put the probe's code on the lock",
        "`lock-gateway device` shows how it stands.",
        Exit.FAILED,
    ),
}


def probe(device: Device, socket: Socket = None, json: Json = False) -> None:
    """Prove at the door that a lock keeps schedules: a code out of its window must be refused."""
    with reporting(json):
        client = connect(socket)
        progress = client.stream("POST", "devices", device, "probe", body={})
        try:
            last = print_stream(progress) if json else _watch(progress)
        except KeyboardInterrupt:
            raise Failure(
                "interrupted: the code is taken off the lock", Exit.FAILED, "interrupted"
            ) from None
        stage = str(last["stage"]) if last else "failed"
        if stage != "proven":
            message, next_step, code = _VERDICTS.get(stage, _VERDICTS["failed"])
            detail = f" ({last['detail']})" if last and last.get("detail") else ""
            raise Failure(message + detail, code, stage, next_step)
        if not json:
            print("proven: it refused the code; from now on it keeps windows itself")


def _watch(progress: Iterator[Document]) -> Document | None:
    last: Document | None = None
    for step in progress:
        if last is None or last["stage"] != step["stage"]:
            if step["stage"] == "writing":
                print("writing a code whose window is long over …", flush=True)
            elif step["stage"] == "type":
                print(
                    f"Type {step['digits']} at the lock now. It must NOT open."
                    f" Waiting {round(step['remaining_s'])} s.",
                    flush=True,
                )
        last = step
    return last
