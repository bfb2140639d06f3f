// The air of the simulated Z-Wave network, as a child process of `firmware_sims.zwave`.
// Here: JSON lines on stdin (orders) and stdout (what happened), and the parts put together.
// It ends when stdin ends. Nothing here knows what a lock is: commands are carried as hex.

import readline from "node:readline";
import { MockNode, getDefaultMockNodeCapabilities } from "@zwave-js/testing";
import { Chip } from "./chip.mjs";
import { Device } from "./device.mjs";
import { SerialPort } from "./serial_port.mjs";

// A door lock that listens for beams (FLiRS): Entry Control, Secure Keypad Door Lock.
const DOOR_LOCK = {
    ...getDefaultMockNodeCapabilities(),
    genericDeviceClass: 0x40,
    specificDeviceClass: 0x03,
    isListening: false,
    isFrequentListening: "1000ms",
};

const port = new SerialPort();
let chip;

function tell(event) {
    process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** A small seeded generator (mulberry32): the same seed, the same losses. */
function seeded(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}

const orders = {
    async start({ homeId, lastId, airMs, seed, nodes, devices, host, port: wanted }) {
        chip = new Chip(port, seeded(seed), tell);
        await chip.start({ homeId, lastId, airMs });
        for (const spec of devices) {
            const device = new Device(chip, { ...spec, capabilities: DOOR_LOCK }, tell);
            chip.devices.set(device.name, device);
            await device.start();
        }
        for (const id of nodes) {
            // Ids whose devices have forgotten the network: the controller has not.
            if (chip.controller.nodes.has(id)) continue;
            const ghost = { id, controller: chip.controller, capabilities: DOOR_LOCK };
            chip.controller.addNode(await MockNode.create(ghost));
        }
        tell({ ev: "ready", port: await port.listen(host, wanted) });
    },
    send({ node, cc, secure }) {
        chip.devices.get(node).send(Buffer.from(cc, "hex"), secure);
    },
    set({ node, hears, learning, primes }) {
        const device = chip.devices.get(node);
        Object.assign(device, { hears, learning, primes });
        return chip.takePart();
    },
    async forget({ node }) {
        const device = chip.devices.get(node);
        await device.said();
        device.leave();
        device.tellMembership();
    },
    controller({ mute, jammed, loss }) {
        port.mute = mute;
        chip.jammed = jammed;
        chip.setLoss(loss.up, loss.down);
    },
    cut() {
        port.cut();
    },
    sync({ number }) {
        tell({ ev: "synced", number });
    },
};

// What the library leaves unhandled when a host is cut off in the middle of an answer.
process.on("unhandledRejection", (cause) => console.error(`not carried out: ${cause}`));

let working = Promise.resolve();
readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const { op, ...rest } = JSON.parse(line);
    working = working
        .then(() => orders[op](rest))
        .catch((cause) => {
            if (op !== "start") return console.error(`${op}: ${cause.stack}`);
            tell({ ev: "failed", code: cause.code ?? null, reason: String(cause.message) });
        });
}).on("close", () => process.exit(0));
