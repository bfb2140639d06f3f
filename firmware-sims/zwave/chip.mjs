// The stick's chip: the Serial API functions that concern nodes, over MockController.
// Here: sending, inclusion, SmartStart, exclusion, failed nodes, and what can break. Not here: the
// functions about the stick itself, which MockController's own behaviours answer, and the devices.
//
// Frames are read as bytes, since the library parses several of these requests as a sender only.

import { MockController } from "@zwave-js/testing";
import { FunctionType } from "@zwave-js/serial";
import { createDefaultMockControllerBehaviors } from "zwave-js/Testing";
import { dataFrame } from "./serial_port.mjs";

const REQUEST = 0;
const RESPONSE = 1;
const TRANSMITTED = 0x00;
const NO_ACK = 0x01;
const FAIL = 0x02;
const NO_ACK_AFTER_MS = 600;
const PRIME_EVERY_MS = 1000;

const Add = { Any: 1, Slave: 3, Existing: 4, Stop: 5, SmartStartDsk: 8, SmartStartListen: 9 };
const Added = { Ready: 1, NodeFound: 2, AddingSlave: 3, ProtocolDone: 5, Done: 6, Failed: 7 };
const Removed = { Ready: 1, NodeFound: 2, RemovingSlave: 3, Done: 6, Failed: 7 };

const OURS = [
    FunctionType.SoftReset,
    FunctionType.SendData,
    FunctionType.SendDataAbort,
    FunctionType.AddNodeToNetwork,
    FunctionType.RemoveNodeFromNetwork,
    FunctionType.AssignSUCReturnRoute,
    FunctionType.DeleteSUCReturnRoute,
    FunctionType.RequestNodeInfo,
    FunctionType.RemoveFailedNode,
    FunctionType.IsFailedNode,
    FunctionType.ReplaceFailedNode,
];
const THEIRS = [
    FunctionType.GetSerialApiInitData,
    FunctionType.GetControllerCapabilities,
    FunctionType.GetControllerVersion,
    FunctionType.GetControllerId,
    FunctionType.GetNodeProtocolInfo,
    FunctionType.GetSUCNodeId,
];

export class Chip {
    controller;
    /** By name; those of the building, in the network or not. */
    devices = new Map();
    airMs = 2;
    jammed = false;

    #port;
    #tell;
    #random;
    #loss = { up: 0, down: 0 };
    #outgoing = Promise.resolve();
    #air = Promise.resolve();
    #mode = { doing: "nothing" };
    #lastId = 1;

    constructor(port, random, tell) {
        this.#port = port;
        this.#random = random;
        this.#tell = tell;
        port.connection = (connected) => {
            this.#mode = { doing: "nothing" };
            tell({ ev: "host", connected });
        };
    }

    async start({ homeId, lastId, airMs }) {
        this.#lastId = lastId;
        this.airMs = airMs;
        this.controller = await MockController.create({
            mockPort: this.#port,
            serial: undefined,
            homeId,
            capabilities: { supportedFunctionTypes: [...OURS, ...THEIRS] },
        });
        this.controller.defineBehavior(...createDefaultMockControllerBehaviors());
        this.controller.defineBehavior({ onHostData: (_, data) => this.#onHostData(data) });
        setInterval(() => this.#prime(), PRIME_EVERY_MS).unref();
    }

    // ---- what breaks

    setLoss(up, down) {
        this.#loss = { up, down };
    }

    isLost(way) {
        return this.#loss[way] > 0 && this.#random() < this.#loss[way];
    }

    // ---- the air

    /** Speak when nobody else does: a radio listens before it speaks. */
    onAir(speak) {
        const turn = this.#air.then(speak);
        this.#air = turn.catch(() => {});
        return turn;
    }

    // ---- towards the host

    /** Do this when everything before is said; a host that does not acknowledge is not waited for. */
    toHost(say) {
        const said = this.#outgoing.then(async () => {
            if (!this.#port.connected || this.#port.mute) return;
            try {
                await say(this.controller);
            } catch (cause) {
                console.error(`the host did not acknowledge: ${cause.message}`);
            }
        });
        this.#outgoing = said;
        return said;
    }

    #frame(type, functionType, ...payload) {
        return this.toHost((controller) =>
            controller.sendToHost(dataFrame(type, functionType, payload)),
        );
    }

    // ---- from the host

    #onHostData(data) {
        if (data.length < 5 || !OURS.includes(data[3])) return false;
        this.controller.ackHostMessage();
        this.#call(data[3], data.subarray(4, -1)).catch((cause) =>
            console.error(`function ${data[3]}: ${cause.stack}`),
        );
        return true;
    }

    async #call(functionType, payload) {
        switch (functionType) {
            case FunctionType.SoftReset:
                return this.#restart();
            case FunctionType.SendData:
                return this.#sendData(payload);
            case FunctionType.SendDataAbort:
                return;
            case FunctionType.RequestNodeInfo:
                return this.#requestNodeInfo(payload[0]);
            case FunctionType.AssignSUCReturnRoute:
            case FunctionType.DeleteSUCReturnRoute:
                return this.#returnRoute(functionType, payload[0], payload.at(-1));
            case FunctionType.AddNodeToNetwork:
                return this.#add(payload);
            case FunctionType.RemoveNodeFromNetwork:
                return this.#remove(payload);
            case FunctionType.IsFailedNode:
                return this.#frame(RESPONSE, functionType, this.#answers(payload[0]) ? 0 : 1);
            case FunctionType.RemoveFailedNode:
                return this.#removeFailed(payload[0], payload[1]);
            case FunctionType.ReplaceFailedNode:
                return this.#replaceFailed(payload[0], payload[1]);
        }
    }

    async #restart() {
        this.#mode = { doing: "nothing" };
        // Woken by software, no watchdog, listening; Generic Controller, no command classes.
        await this.#frame(REQUEST, FunctionType.SerialAPIStarted, 0x05, 0, 1, 0x01, 0, 0, 0);
    }

    #byId(nodeId) {
        return [...this.devices.values()].find((device) => device.nodeId === nodeId);
    }

    #answers(nodeId) {
        return this.#byId(nodeId)?.hears ?? false;
    }

    /**
     * One frame to a node. `told` tells the host the transmit status (INS12350, ZW_SendData); the air
     * is free again when the node has understood the frame.
     */
    async #transmit(nodeId, told, data) {
        if (this.jammed) return told(FAIL);
        if (!this.#answers(nodeId) || this.isLost("down")) {
            await after(NO_ACK_AFTER_MS);
            return told(NO_ACK);
        }
        return this.onAir(async () => {
            await after(this.airMs);
            if (!this.#answers(nodeId)) return told(NO_ACK);
            // The acknowledgement of a frame is told before the node's application has answered it.
            await told(TRANSMITTED);
            if (data) await this.#byId(nodeId)?.receive(data);
        });
    }

    async #sendData(payload) {
        const [nodeId, length] = payload;
        const data = payload.slice(2, 2 + length);
        const callbackId = payload[3 + length];
        this.#tell({ ev: "frame", nodeId, at: performance.timeOrigin + performance.now() });
        void this.#frame(RESPONSE, FunctionType.SendData, 1);
        const told = async (status) => {
            if (!callbackId) return;
            await this.#frame(REQUEST, FunctionType.SendData, callbackId, status, 0, 1);
        };
        await this.#transmit(nodeId, told, data);
    }

    async #requestNodeInfo(nodeId) {
        void this.#frame(RESPONSE, FunctionType.RequestNodeInfo, 1);
        const update = FunctionType.ApplicationUpdateRequest;
        await this.#transmit(nodeId, async (status) => {
            const device = this.#byId(nodeId);
            if (status === TRANSMITTED && device) {
                await this.#frame(REQUEST, update, 0x84, nodeId, ...device.nodeInformation);
            } else {
                await this.#frame(REQUEST, update, 0x81, 0, 0);
            }
        });
    }

    async #returnRoute(functionType, nodeId, callbackId) {
        void this.#frame(RESPONSE, functionType, 1);
        await this.#transmit(nodeId, (status) =>
            this.#frame(REQUEST, functionType, callbackId, status),
        );
    }

    // ---- inclusion and exclusion

    #nextId() {
        do {
            this.#lastId = (this.#lastId % 232) + 1;
        } while (this.#lastId === 1 || this.controller.nodes.has(this.#lastId));
        return this.#lastId;
    }

    /** The controller's memory: which ids are taken, and which came last. */
    tellNodes() {
        this.#tell({
            ev: "nodes",
            nodes: [...this.controller.nodes.keys()],
            lastId: this.#lastId,
        });
    }

    async #add([flags, callbackId, ...homeIds]) {
        const kind = flags & 0x0f;
        const say = (...payload) =>
            this.#frame(REQUEST, FunctionType.AddNodeToNetwork, callbackId, ...payload);
        if (kind === Add.SmartStartListen) {
            this.#mode = { doing: "listening" };
            return;
        }
        if (kind === Add.Stop) {
            const added = this.#mode.added;
            this.#mode = { doing: "nothing" };
            if (callbackId) await (added ? say(Added.Done, added) : say(Added.Failed, 0));
            return;
        }
        this.#mode = { doing: "adding", say };
        if (kind === Add.SmartStartDsk) this.#mode.nwiHomeId = homeIds.slice(0, 4).join();
        await say(Added.Ready, 0, 0);
        await this.takePart();
    }

    /** Somebody has begun to learn, or the controller to listen: whoever fits does so now. */
    async takePart() {
        const mode = this.#mode;
        if (mode.busy) return;
        const fitting = this.#fitting(mode);
        if (!fitting) return;
        mode.busy = true;
        if (mode.doing === "adding") await this.#include(fitting, mode);
        else if (mode.doing === "replacing") await this.#replace(fitting, mode);
        else await this.#exclude(fitting, mode);
    }

    #fitting(mode) {
        const awake = [...this.devices.values()].filter((device) => device.hears);
        const strangers = awake.filter((device) => device.nodeId == undefined);
        switch (mode.doing) {
            case "adding":
                return mode.nwiHomeId == undefined
                    ? strangers.find((device) => device.learning)
                    : strangers.find(
                          (device) =>
                              device.primes && [...device.nwiHomeId].join() === mode.nwiHomeId,
                      );
            case "replacing":
                return strangers.find((device) => device.learning);
            case "removing":
                return awake.find((device) => device.learning);
        }
    }

    async #include(device, mode) {
        await mode.say(Added.NodeFound, 0, 0);
        const nodeId = this.#nextId();
        await mode.say(Added.AddingSlave, nodeId, ...device.nodeInformation);
        await this.#welcome(device, nodeId);
        mode.added = nodeId;
        await mode.say(Added.ProtocolDone, nodeId, 0);
    }

    async #welcome(device, nodeId) {
        device.learning = device.primes = false;
        await device.join(nodeId);
        device.tellMembership();
        this.tellNodes();
    }

    #prime() {
        if (this.#mode.doing !== "listening") return;
        for (const device of this.devices.values()) {
            if (!device.primes || !device.hears || device.nodeId != undefined) continue;
            const [length, ...information] = device.nodeInformation;
            void this.#frame(
                REQUEST,
                FunctionType.ApplicationUpdateRequest,
                0x85, // SmartStart: the home id of a node that wants in
                0,
                0,
                ...device.nwiHomeId,
                length - 3,
                ...information,
            );
        }
    }

    async #remove([flags, callbackId]) {
        const say = (...payload) =>
            this.#frame(REQUEST, FunctionType.RemoveNodeFromNetwork, callbackId, ...payload);
        if ((flags & 0x1f) === Add.Stop) {
            this.#mode = { doing: "nothing" };
            if (callbackId) await say(Removed.Failed, 0);
            return;
        }
        this.#mode = { doing: "removing", say };
        await say(Removed.Ready, 0, 0);
        await this.takePart();
    }

    async #exclude(device, mode) {
        const nodeId = device.nodeId ?? 0;
        await mode.say(Removed.NodeFound, 0, 0);
        await mode.say(Removed.RemovingSlave, nodeId, 0);
        if (nodeId) this.controller.removeNode(nodeId);
        device.learning = false;
        device.leave();
        device.tellMembership();
        this.tellNodes();
        await mode.say(Removed.Done, nodeId, 0);
    }

    // ---- nodes that have gone

    async #removeFailed(nodeId, callbackId) {
        await this.#frame(RESPONSE, FunctionType.RemoveFailedNode, 0);
        const alive = this.#answers(nodeId);
        if (!alive) {
            this.controller.removeNode(nodeId);
            this.tellNodes();
        }
        await this.#frame(REQUEST, FunctionType.RemoveFailedNode, callbackId, alive ? 0 : 1);
    }

    async #replaceFailed(nodeId, callbackId) {
        const say = (status) =>
            this.#frame(REQUEST, FunctionType.ReplaceFailedNode, callbackId, status);
        await this.#frame(RESPONSE, FunctionType.ReplaceFailedNode, 0);
        if (this.#answers(nodeId)) return say(0);
        this.#mode = { doing: "replacing", nodeId, say };
        await say(3);
        await this.takePart();
    }

    async #replace(device, mode) {
        const dead = this.#byId(mode.nodeId);
        dead?.leave();
        dead?.tellMembership();
        await this.#welcome(device, mode.nodeId);
        this.#mode = { doing: "nothing" };
        await mode.say(4);
    }
}

function after(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
