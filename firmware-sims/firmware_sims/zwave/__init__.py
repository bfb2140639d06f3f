"""Z-Wave: simulated locks on a simulated network, to plug the unmodified Z-Wave JS into.

Here: the locks' firmware skins (Python) and the process with chip and antennas (Node,
`firmware-sims/zwave`, where `npm ci` has to run once). How a test uses it:

    from firmware_sims.world import parse_world
    from firmware_sims.zwave.network import ZwaveUnavailable, node_command   # skip where it raises
    from firmware_sims.zwave.running import run_zwave

    spec = parse_world({"zwave": [{"name": "front", "profile": "schlage-be469"}]})
    async with run_zwave(spec, state=tmp_path / "sim") as running:
        running.serial                       # "tcp://127.0.0.1:40123", the driver's serial path
        running.network.home_id              # int; follows from the world's seed
        door = running.world.zwave["front"]
        door.label.dsk, door.label.pin       # "32690-50045-…", "32690"
        door.label.qr_code                   # for SmartStart; the spec says smart_start = true
        door.radio.start_joining()           # the button: inclusion, exclusion, replacing
        door.radio.node_id, door.radio.secure
        door.firmware.users.users[3].code    # what the lock holds
        door.firmware.keypad.type_code("4711")
        door.firmware.bolt.jam()             # … and everything else of `firmware.LockFirmware`
        door.radio.in_range = False          # dead for the controller, alive at the keypad
        door.faults.arm("applied-but-answer-lost", on="set_pin_code")
        door.queue.received["set_pin_code"]  # commands that arrived; `applied` took effect
        running.network.fail("mute")         # "unmute", "cut", "jam", "clear"
        await running.network.wait_for_host(connected=False)
        await running.world.journal.wait(lambda entry: entry["kind"] == "joined"
                                         and entry["secure"], after=0, timeout_s=30)

Leaving saves everything: the same spec with the same `state` brings back network, keys and codes.
From another process the same is offered by `firmware_sims.control` (operations of all locks, and
`zwave` with one of the actions above). `python -m firmware_sims zwave --world FILE` runs it alone;
its first line is {"ready": true, "zwave": "tcp://…", "control": "…"}.
"""
