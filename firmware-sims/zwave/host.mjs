// A plain Z-Wave JS host, to try the simulated stick with something that is not the gateway.
// Here: JSON lines on stdin (one call each, answered by its id) and stdout (answers, events).
// `node host.mjs SERIAL CACHE_DIRECTORY`; it ends when stdin ends.

import readline from "node:readline";
import { CommandClass } from "@zwave-js/cc";
import { Driver, InclusionStrategy } from "zwave-js";
import { parseQRCodeString } from "zwave-js/Utils";

const [serial, cacheDir] = process.argv.slice(2);
const key = (byte) => Buffer.alloc(16, byte); // nobody lives behind these doors
const driver = new Driver(serial, {
    logConfig: process.env.ZWAVE_HOST_LOG
        ? { logToFile: true, filename: process.env.ZWAVE_HOST_LOG, level: "debug" }
        : { enabled: false },
    storage: { cacheDir },
    securityKeys: {
        S0_Legacy: key(1),
        S2_Unauthenticated: key(2),
        S2_Authenticated: key(3),
        S2_AccessControl: key(4),
    },
});

function tell(message) {
    process.stdout.write(`${JSON.stringify(message)}\n`);
}

function watch(node) {
    const event = (name, rest = {}) => tell({ event: name, node: node.id, ...rest });
    node.on("ready", () => event("ready"));
    node.on("dead", () => event("dead"));
    node.on("alive", () => event("alive"));
    node.on("notification", (_, commandClass, args) => event("notification", { commandClass, args }));
    node.on("value updated", (_, { commandClass, property, propertyKey, newValue }) =>
        event("value", { commandClass, property, propertyKey: propertyKey ?? null, newValue }),
    );
}

const inclusion = (pin) => ({
    strategy: InclusionStrategy.Security_S2,
    userCallbacks: {
        grantSecurityClasses: async ({ securityClasses }) => ({
            securityClasses,
            clientSideAuth: false,
        }),
        validateDSKAndEnterPIN: async () => pin,
        abort: () => tell({ event: "aborted" }),
    },
});

const calls = {
    include: ({ pin }) => driver.controller.beginInclusion(inclusion(pin)),
    async provision({ qr }) {
        const { dsk, securityClasses } = await parseQRCodeString(qr);
        driver.controller.provisionSmartStartNode({ dsk, securityClasses });
        return dsk;
    },
    exclude: () => driver.controller.beginExclusion(),
    replace: ({ node, pin }) => driver.controller.replaceFailedNode(node, inclusion(pin)),
    ping: ({ node }) => driver.controller.nodes.getOrThrow(node).ping(),
    nodes: () =>
        [...driver.controller.nodes.values()].map((node) => ({
            node: node.id,
            ready: node.ready,
            security: node.getHighestSecurityClass() ?? null,
        })),
    /** Bytes of a command as anybody could send them, without a key. */
    async plain({ node, command }) {
        const [ccId, ccCommand, ...payload] = Buffer.from(command, "hex");
        const cc = new CommandClass({ nodeId: node, ccId, ccCommand, payload: Buffer.from(payload) });
        await driver.sendCommand(cc, { autoEncapsulate: false });
    },
    async cc({ node, cc, method, args = [] }) {
        const api = driver.controller.nodes.getOrThrow(node).commandClasses[cc];
        return (await api[method](...args)) ?? null;
    },
};

readline
    .createInterface({ input: process.stdin })
    .on("line", async (line) => {
        const { id, call, ...rest } = JSON.parse(line);
        try {
            tell({ id, result: (await calls[call](rest)) ?? null });
        } catch (cause) {
            tell({ id, error: String(cause.message) });
        }
    })
    .on("close", async () => {
        // In the middle of an interview the driver would take its time.
        setTimeout(() => process.exit(0), 2000);
        await driver.destroy();
        process.exit(0);
    });

driver.on("error", (cause) => tell({ event: "driver error", reason: cause.message }));
driver.on("driver ready", () => {
    const controller = driver.controller;
    controller.on("node added", (node) => {
        watch(node);
        tell({ event: "added", node: node.id, security: node.getHighestSecurityClass() ?? null });
    });
    controller.on("node removed", (node, reason) =>
        tell({ event: "removed", node: node.id, reason }),
    );
    for (const node of controller.nodes.values()) {
        if (node.id !== controller.ownNodeId) watch(node);
    }
    tell({ event: "driver ready", homeId: controller.homeId });
});
await driver.start();
