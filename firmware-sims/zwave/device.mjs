// The radio of one simulated device: membership, Security 2, and its way to the controller.
// Here: a MockNode with what it lacks (keys that outlast a restart, a public key that keeps its PIN
// back, reports that come unasked). Not here: nonces (voice.mjs), exchanging keys (joining.mjs), and
// what the commands mean, which are carried as bytes to and from the firmware (main.mjs).

import {
    CommandClass,
    Security2CCKEXFail,
    Security2CCKEXGet,
    Security2CCKEXSet,
    Security2CCMessageEncapsulation,
    Security2CCNonceReport,
    Security2CCPublicKeyReport,
} from "@zwave-js/cc";
import {
    SecurityClass,
    SecurityManager2,
    authHomeIdFromDSK,
    keyPairFromRawECDHPrivateKey,
    nwiHomeIdFromDSK,
} from "@zwave-js/core";
import { MockNode, MockZWaveFrameType } from "@zwave-js/testing";
import { createDefaultMockNodeBehaviors } from "zwave-js/Testing";
import { BOOTSTRAP_STATE, joiningBehavior } from "./joining.mjs";
import { Voice } from "./voice.mjs";

const SECURITY_2 = 0x9f;

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
    #voice;
    #granted = new Map();
    #bootstrap;

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
        const voice = new Voice(this.#chip, this, mock);
        mock.sendToController = async ({ payload }) => speak(voice, payload);
        mock.defineBehavior(...createDefaultMockNodeBehaviors());
        mock.defineBehavior(this.#behavior(voice), joiningBehavior(voice));
        this.nodeId = nodeId;
        this.mock = mock;
        this.#voice = voice;
        this.#granted = new Map();
        this.#bootstrap = undefined;
        for (const [securityClass, key] of Object.entries(keys)) {
            await this.#install(Number(securityClass), Buffer.from(key, "hex"));
        }
        this.#chip.controller.addNode(mock);
    }

    /** Forget the network; whether the controller knows is its own affair. */
    leave() {
        this.nodeId = this.mock = this.#voice = undefined;
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

    /** A frame has reached the antenna; resolves when it is understood, before it is answered. */
    async receive(data) {
        const mock = this.mock;
        if (!mock) return;
        try {
            const payload = await this.#voice.hear(data);
            if (!payload) return;
            const type = MockZWaveFrameType.Request;
            await mock.onControllerFrame({ type, repeaters: [], payload });
            await this.#noticeKeys(mock);
        } catch (cause) {
            console.error(`${this.name}: a frame was not understood: ${cause.message}`);
        }
    }

    #behavior(voice) {
        return {
            handleCC: (controller, mock, cc) => {
                if (cc instanceof Security2CCKEXGet) {
                    mock.capabilities.securityClasses = new Set(REQUESTED);
                } else if (cc instanceof Security2CCKEXSet && !cc.echo) {
                    // The mock echoes what it asked for; a host that granted less would refuse that.
                    mock.capabilities.securityClasses = new Set(cc.grantedKeys);
                } else if (cc instanceof Security2CCKEXFail) {
                    mock.state.delete(BOOTSTRAP_STATE);
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
                } else if (report instanceof Security2CCNonceReport) {
                    voice.offered(report.receiverEI);
                }
                return response;
            },
        };
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
        if (!this.mock || (secure && !this.secure)) return;
        const plain = new CommandClass({
            nodeId: this.mock.controller.ownNodeId,
            ccId: data[0],
            ccCommand: data[1],
            payload: data.subarray(2),
        });
        void (secure ? this.#voice.encrypt(plain) : this.#voice.say(plain));
    }

    /** Resolves when everything so far is said. */
    async said() {
        await this.#voice?.quiet;
    }
}

/** What the mock answers is encrypted when its turn has come, and nonces do not wait for a turn. */
function speak(voice, cc) {
    if (cc instanceof Security2CCMessageEncapsulation) {
        void voice.encrypt(cc.encapsulated, cc.securityClass);
    } else if (cc instanceof Security2CCNonceReport) {
        voice.interject(cc);
    } else {
        void voice.say(cc);
    }
}
