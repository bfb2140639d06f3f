// The radio of one simulated device: membership, Security 2, and its way to the controller.
// Here: a MockNode with what it lacks (keys that outlast a restart, a public key that keeps its PIN
// back, reports that come unasked). Not here: what the commands mean, which are carried as bytes to
// and from the firmware (main.mjs).

import {
    CommandClass,
    ECDHProfiles,
    KEXSchemes,
    Security2CC,
    Security2CCKEXFail,
    Security2CCKEXGet,
    Security2CCKEXSet,
    Security2CCNonceGet,
    Security2CCNonceReport,
    Security2CCPublicKeyReport,
} from "@zwave-js/cc";
import {
    SecurityClass,
    SecurityManager2,
    SPANState,
    authHomeIdFromDSK,
    keyPairFromRawECDHPrivateKey,
    nwiHomeIdFromDSK,
} from "@zwave-js/core";
import { ApplicationCommandRequest } from "@zwave-js/serial/serialapi";
import { MockNode, MockZWaveFrameType } from "@zwave-js/testing";
import { createDefaultMockNodeBehaviors } from "zwave-js/Testing";

const SECURITY_2 = 0x9f;
const NONCE_TIMEOUT_MS = 2000;
const RESEND_WITHIN_MS = 10000;
const BOOTSTRAP_STATE = "Security2_bootstrapState"; // where zwave-js' mock keeps it
const HANDSHAKE = 1; // its stage in which the echo waits for the host's word
const ECHO_EVERY_MS = 10000;

/** S2_Unauthenticated, S2_Authenticated, S2_AccessControl: what a lock asks for. */
const REQUESTED = [
    SecurityClass.S2_AccessControl,
    SecurityClass.S2_Authenticated,
    SecurityClass.S2_Unauthenticated,
];

// Only Security 2 is understood on this side. Everything else stays bytes: the firmware has a codec
// of its own, and a command that the library cannot parse as a receiver must not stop the air.
const parseNative = CommandClass.parse;
CommandClass.parse = async (data, context) =>
    data[0] === SECURITY_2
        ? parseNative.call(CommandClass, data, context)
        : new CommandClass({
              nodeId: context.sourceNodeId,
              ccId: data[0],
              ccCommand: data[1],
              payload: data.subarray(2),
          });

export class Device {
    /** Has power, is in range, and its receiver works. */
    hears = true;
    /** In learn mode: whatever the controller is doing, adding or removing, it takes part. */
    learning = false;
    /** Announces itself for SmartStart while it is in no network. */
    primes = false;
    nodeId;
    mock;

    #chip;
    #tell;
    #spec;
    #keyPair;
    #granted = new Map();
    #parsing = Promise.resolve();
    #sending = Promise.resolve();
    #bootstrap;
    #last;

    constructor(chip, spec, tell) {
        this.#chip = chip;
        this.#spec = spec;
        this.#tell = tell;
        this.name = spec.name;
    }

    get secure() {
        return this.#granted.size > 0;
    }

    get #dsk() {
        return this.#keyPair.publicKey.subarray(0, 16);
    }

    get nwiHomeId() {
        return nwiHomeIdFromDSK(this.#dsk);
    }

    get authHomeId() {
        return authHomeIdFromDSK(this.#dsk);
    }

    /** Node information as the controller tells it: length, device classes, command classes. */
    get nodeInformation() {
        const caps = this.#spec.capabilities;
        const classes = this.#spec.plain;
        return [
            3 + classes.length,
            0x03, // Routing End Node
            caps.genericDeviceClass,
            caps.specificDeviceClass,
            ...classes,
        ];
    }

    async start() {
        this.#keyPair = await keyPairFromRawECDHPrivateKey(
            Buffer.from(this.#spec.privateKey, "hex"),
        );
        if (this.#spec.nodeId != undefined) {
            await this.join(this.#spec.nodeId, this.#spec.keys ?? {});
        }
    }

    /** Become a node of the network; `keys` (hex, by security class) of an earlier run. */
    async join(nodeId, keys = {}) {
        const mock = await MockNode.create({
            id: nodeId,
            controller: this.#chip.controller,
            capabilities: {
                ...this.#spec.capabilities,
                txDelay: this.#chip.airMs,
                commandClasses: [
                    ...this.#spec.plain.map((ccId) => ({ ccId, isSupported: true, secure: false })),
                    ...this.#spec.secure.map((ccId) => ({ ccId, isSupported: true, secure: true })),
                ],
            },
        });
        mock.ecdhKeyPair = this.#keyPair;
        mock.capabilities.securityClasses = new Set(REQUESTED);
        mock.securityManagers.securityManager2 = await SecurityManager2.create();
        mock.autoAckControllerFrames = false; // the chip acknowledges
        const speak = mock.sendToController.bind(mock);
        mock.sendToController = async (frame) => {
            if (this.hears && !this.#chip.isLost("up")) return speak(frame);
        };
        mock.defineBehavior(...createDefaultMockNodeBehaviors());
        mock.defineBehavior(this.#behavior());
        this.nodeId = nodeId;
        this.mock = mock;
        this.#granted = new Map();
        this.#bootstrap = this.#last = undefined;
        for (const [securityClass, key] of Object.entries(keys)) {
            await this.#install(Number(securityClass), Buffer.from(key, "hex"));
        }
        this.#chip.controller.addNode(mock);
    }

    /** Forget the network; whether the controller knows is its own affair. */
    leave() {
        this.nodeId = this.mock = undefined;
        this.#granted = new Map();
    }

    /** Tell the firmware what the memory has to keep. */
    tellMembership() {
        const keys = {};
        for (const [securityClass, key] of this.#granted) {
            keys[securityClass] = Buffer.from(key).toString("hex");
        }
        this.#tell({ ev: "membership", node: this.name, nodeId: this.nodeId ?? null, keys });
    }

    async #install(securityClass, key) {
        const own = this.mock;
        await own.securityManagers.securityManager2.setKey(securityClass, key);
        own.encodingContext.setSecurityClass(own.id, securityClass, true);
        own.encodingContext.setSecurityClass(own.controller.ownNodeId, securityClass, true);
        this.#granted.set(securityClass, key);
    }

    // ---- from the controller

    /** A frame has reached the antenna. */
    receive(data) {
        const mock = this.mock;
        if (!mock) return;
        // One after the other: decrypting moves the nonce on.
        this.#parsing = this.#parsing.then(() => this.#parse(mock, data));
    }

    async #parse(mock, data) {
        let payload;
        try {
            payload = await CommandClass.parse(data, {
                sourceNodeId: mock.controller.ownNodeId,
                __internalIsMockNode: true,
                ...mock.encodingContext,
                ...mock.securityManagers,
                frameType: "singlecast",
            });
        } catch (cause) {
            console.error(`${this.name}: a frame was not understood: ${cause.message}`);
            return;
        }
        mock
            .onControllerFrame({ type: MockZWaveFrameType.Request, repeaters: [], payload })
            .then(() => this.#noticeKeys(mock))
            .catch((cause) => console.error(`${this.name}: ${cause.message}`));
    }

    #behavior() {
        return {
            handleCC: (controller, mock, cc) => {
                if (cc instanceof Security2CCKEXGet) {
                    mock.capabilities.securityClasses = new Set(REQUESTED);
                } else if (cc instanceof Security2CCKEXSet && !cc.echo) {
                    // The mock echoes what it asked for; a host that granted less would refuse that.
                    mock.capabilities.securityClasses = new Set(cc.grantedKeys);
                } else if (cc instanceof Security2CCPublicKeyReport && cc.includingNode) {
                    this.#repeatEcho(mock);
                } else if (cc instanceof Security2CCKEXFail) {
                    mock.state.delete(BOOTSTRAP_STATE);
                } else if (cc instanceof Security2CCNonceReport) {
                    this.#resend();
                } else if (cc.constructor === CommandClass) {
                    this.#hand(cc);
                    return { action: "stop" };
                }
            },
            transformResponse: (controller, mock, cc, response) => {
                const report = response.cc;
                if (report instanceof Security2CCPublicKeyReport) {
                    // CC:009F.01.08.11.009: with a key that needs the DSK, its first two bytes are
                    // kept back; they are the PIN.
                    const shown = Uint8Array.from(report.publicKey);
                    const authenticated = [...mock.capabilities.securityClasses].some(
                        (granted) => granted !== SecurityClass.S2_Unauthenticated,
                    );
                    if (authenticated) shown.fill(0, 0, 2);
                    report.publicKey = shown;
                }
                return response;
            },
        };
    }

    /**
     * The mock says its echo of the KEX Set once, when the host may not know the DSK yet; a node says
     * it every ten seconds until the host confirms it (CC:009F, "the node will start sending us a
     * KEX SET every 10 seconds" in zwave-js' controller/Controller.ts).
     */
    #repeatEcho(mock) {
        const timer = setInterval(() => {
            const waits = mock.state.get(BOOTSTRAP_STATE)?.stage === HANDSHAKE;
            if (mock !== this.mock || !waits) {
                clearInterval(timer);
                return;
            }
            this.#sending = this.#sending
                .then(() => this.#echo(mock))
                .catch((cause) => console.error(`${this.name}: no echo: ${cause.message}`));
        }, ECHO_EVERY_MS);
        timer.unref();
    }

    async #echo(mock) {
        mock.securityManagers.securityManager2.deleteNonce(mock.controller.ownNodeId);
        await this.#synchronise(mock);
        const echo = new Security2CCKEXSet({
            nodeId: mock.controller.ownNodeId,
            echo: true,
            selectedKEXScheme: KEXSchemes.KEXScheme1,
            selectedECDHProfile: ECDHProfiles.Curve25519,
            permitCSA: false,
            grantedKeys: [...mock.capabilities.securityClasses],
        });
        await this.#deliver(mock, Security2CC.encapsulate(echo, mock.id, mock.securityManagers));
    }

    #hand(cc) {
        if (cc.ccId === 0) return; // No Operation: acknowledged, and that is all
        const bytes = [cc.ccId, ...(cc.ccCommand == undefined ? [] : [cc.ccCommand]), ...cc.payload];
        this.#tell({
            ev: "cc",
            node: this.name,
            cc: Buffer.from(bytes).toString("hex"),
            // The security class it came under; a frame under a lower one than granted counts not.
            secure: this.#highest === cc.encapsulatingCC?.securityClass && this.secure,
        });
    }

    get #highest() {
        return REQUESTED.find((securityClass) => this.#granted.has(securityClass));
    }

    async #noticeKeys(mock) {
        if (mock !== this.mock) return;
        const state = mock.state.get(BOOTSTRAP_STATE);
        if (state) {
            this.#bootstrap = state.keys ?? this.#bootstrap;
        } else if (this.#bootstrap) {
            const keys = this.#bootstrap;
            this.#bootstrap = undefined;
            for (const [securityClass, key] of keys) await this.#install(securityClass, key);
            this.tellMembership();
        }
    }

    // ---- to the controller

    /** Say something, under the highest key where `secure`; the order of calls is kept. */
    send(data, secure) {
        const mock = this.mock;
        this.#sending = this.#sending
            .then(() => this.#transmit(mock, data, secure))
            .catch((cause) => console.error(`${this.name}: not sent: ${cause.message}`));
    }

    async #transmit(mock, data, secure, again = false) {
        if (!mock || mock !== this.mock || !this.hears) return;
        if (secure && !this.secure) return;
        const plain = new CommandClass({
            nodeId: mock.controller.ownNodeId,
            ccId: data[0],
            ccCommand: data[1],
            payload: data.subarray(2),
        });
        let command = plain;
        if (secure) {
            await this.#synchronise(mock);
            command = Security2CC.encapsulate(plain, mock.id, mock.securityManagers);
            this.#last = { data, at: Date.now(), again };
        }
        await this.#deliver(mock, command);
    }

    async #deliver(mock, command) {
        if (!this.hears || this.#chip.isLost("up")) return;
        const message = new ApplicationCommandRequest({ command });
        message.getNodeId = () => mock.id;
        await this.#chip.toHost((controller) => controller.sendMessageToHost(message, mock));
    }

    /** Ask for the host's half of the nonce where there is none to go on with. */
    async #synchronise(mock) {
        const manager = mock.securityManagers.securityManager2;
        const state = manager.getSPANState(mock.controller.ownNodeId).type;
        if (state === SPANState.SPAN || state === SPANState.RemoteEI) return;
        const answer = mock.expectControllerFrame(
            (frame) => frame.payload instanceof Security2CCNonceReport && frame.payload.SOS,
            { timeout: NONCE_TIMEOUT_MS, errorMessage: "the host gave no nonce" },
        );
        answer.catch(() => {}); // awaited below, unless delivering fails first
        await this.#deliver(mock, new Security2CCNonceGet({ nodeId: mock.controller.ownNodeId }));
        await answer;
    }

    /** The host could not decrypt the last frame and says where to go on (CC:009F, 2.6.4.5.1). */
    #resend() {
        const last = this.#last;
        if (!last || last.again || Date.now() - last.at > RESEND_WITHIN_MS) return;
        this.#last = undefined;
        const mock = this.mock;
        this.#sending = this.#sending
            .then(() => this.#transmit(mock, last.data, true, true))
            .catch((cause) => console.error(`${this.name}: not sent again: ${cause.message}`));
    }
}
