// zigbee-herdsman's "ember" adapter (that of zigbee2mqtt) against the simulated coordinator.
//
// Run it: npm install && node ember.mjs [EZSP version …]     (13 and 18 when none is given)
// It starts the simulator itself, with the python named by PYTHON or the project's .venv.
// Each step is printed; the exit code is 0 only if all of them held.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Controller, setLogger } from "zigbee-herdsman";

const quiet = () => {};
const aloud = (text, namespace) => console.error(`  ${namespace}: ${typeof text === "string" ? text : text()}`);
setLogger({ debug: quiet, info: quiet, warning: aloud, error: aloud });

const here = path.dirname(fileURLToPath(import.meta.url));
const sims = path.dirname(here);
const venv = path.join(path.dirname(sims), ".venv", "bin", "python");
const python = process.env.PYTHON ?? (existsSync(venv) ? venv : "python3");
const versions = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [13, 18];

// the example install code of Base Device Behavior 13-0402-13 10.1
const CODE = "83FED3407A939723A5C639B26916D505C3B5";
const LOCK = "0x00124b0000000001";
const SLEEPER = "0x00124b0000000002";
const world = (ezsp) => `
ezsp = ${ezsp}
[[node]]
name = "front"
profile = "yale-yrd"
ieee = "${LOCK.slice(2)}"
pairing = true
[[node]]
name = "back"
profile = "sleepy-deadbolt"
ieee = "${SLEEPER.slice(2)}"
install_code = "${CODE}"
pairing = true
`;

function check(held, what) {
    if (!held) throw new Error(`did not hold: ${what}`);
    console.log(`  ok  ${what}`);
}

function deadline(promise, what, ms = 30_000) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not within ${ms / 1000} s: ${what}`)), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function simulator(folder, ezsp) {
    const file = path.join(folder, "world.toml");
    writeFileSync(file, world(ezsp));
    const options = ["-m", "firmware_sims", "zigbee", "--world", file, "--state", folder];
    const child = spawn(python, options, {
        cwd: sims,
        env: { ...process.env, PYTHONPATH: sims },
        stdio: ["ignore", "pipe", "inherit"],
    });
    const ready = new Promise((resolve, reject) => {
        createInterface({ input: child.stdout }).once("line", (line) => resolve(JSON.parse(line)));
        child.once("exit", (code) => reject(new Error(`the simulator ended with ${code}`)));
    });
    return { child, radio: (await deadline(ready, "simulator ready")).radio };
}

function controller(folder, radio) {
    return new Controller({
        network: { panID: 0x1a62, channelList: [15] },
        serialPort: { path: radio, adapter: "ember" },
        databasePath: path.join(folder, "herdsman.db"),
        databaseBackupPath: path.join(folder, "herdsman.db.bak"),
        backupPath: path.join(folder, "coordinator_backup.json"),
        adapter: { disableLED: false },
        acceptJoiningDeviceHandler: async () => true,
    });
}

const interviewed = (host, ieee) =>
    deadline(
        new Promise((resolve, reject) => {
            host.on("deviceInterview", ({ status, device }) => {
                if (device.ieeeAddr !== ieee || status === "started") return;
                status === "successful" ? resolve(device) : reject(new Error(`interview ${status}`));
            });
        }),
        `interview of ${ieee}`,
    );

async function drive(ezsp) {
    const folder = mkdtempSync(path.join(tmpdir(), "ember-"));
    const sim = await simulator(folder, ezsp);
    let host = controller(folder, sim.radio);
    try {
        check((await host.start()) === "reset", `EZSP ${ezsp}: a network is formed`);
        const { meta } = await host.getCoordinatorVersion();
        check(meta.ezsp === ezsp, `the coordinator speaks EZSP ${meta.ezsp} (${meta.revision})`);

        let joining = interviewed(host, LOCK);
        await host.permitJoin(60);
        const lock = await joining;
        check(lock.modelID.length > 0, `joined and interviewed: ${lock.manufacturerName} ${lock.modelID}`);
        await host.permitJoin(0);

        joining = interviewed(host, SLEEPER);
        await host.addInstallCode(`Z:${SLEEPER.slice(2).toUpperCase()}$I:${CODE}`);
        await host.permitJoin(60);
        const sleeper = await joining;
        check(sleeper.type === "EndDevice", `joined with its install code: ${sleeper.modelID}`);
        await host.permitJoin(0);

        const endpoint = lock.endpoints.find((e) => e.supportsInputCluster("closuresDoorLock"));
        const event = deadline(
            new Promise((resolve) => {
                host.on("message", (m) => m.type === "attributeReport" && resolve(m));
            }),
            "an attribute report",
        );
        await endpoint.bind("closuresDoorLock", host.getDevicesByType("Coordinator")[0].endpoints[0]);
        await endpoint.configureReporting("closuresDoorLock", [
            { attribute: "lockState", minimumReportInterval: 0, maximumReportInterval: 3600, reportableChange: 0 },
        ]);
        const pin = { userid: 3, userstatus: 1, usertype: 0, pincodevalue: "739154" };
        const set = await endpoint.command("closuresDoorLock", "setPinCode", pin);
        check(set.status === 0, "a code is set");
        const got = await endpoint.command("closuresDoorLock", "getPinCode", { userid: 3 });
        check(got.userstatus === 1, "the code is read back");
        await endpoint.command("closuresDoorLock", "lockDoor", { pincodevalue: "" });
        await endpoint.command("closuresDoorLock", "unlockDoor", { pincodevalue: "" });
        check((await event).cluster === "closuresDoorLock", "the bolt's movement is reported");

        await host.stop();
        host = controller(folder, sim.radio);
        check((await host.start()) === "resumed", "a warm start resumes the network");
        const again = host.getDeviceByIeeeAddr(LOCK);
        const read = await again.endpoints[0].read("genBasic", ["modelId"]);
        check(read.modelId === lock.modelID, "the lock answers after the warm start");
        await again.removeFromNetwork();
        check(host.getDeviceByIeeeAddr(LOCK) === undefined, "the lock is removed");
    } finally {
        await host.stop().catch((error) => console.error(`  stop: ${error.message}`));
        const gone = new Promise((resolve) => sim.child.once("exit", resolve));
        sim.child.kill();
        await deadline(gone, "simulator stopped");
        rmSync(folder, { recursive: true });
    }
}

try {
    for (const ezsp of versions) await drive(ezsp);
    process.exit(0);
} catch (error) {
    console.error(error);
    process.exit(1);
}
