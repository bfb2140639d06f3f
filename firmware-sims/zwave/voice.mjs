// How one device and the host stay in step over Security 2, whoever speaks first.
// Here: decrypting and encrypting one after the other, nonces asked for and offered, and repeating
// what the host could not decrypt. Not here: what is said (device.mjs), and the exchange of keys
// (joining.mjs).
//
// Both ends count the same nonces (CC:009F, SPAN). Two that speak at once use the same one, and the
// specification does not say what then (zwave-js/zwave-js#4900): Z-Wave JS understands the device
// all the same, the device does not understand it and offers a nonce, and Z-Wave JS repeats. So
// whoever has offered a nonce waits for what comes of it; to ask or speak meanwhile would undo it.

import {
    CommandClass,
    InvalidCC,
    Security2CC,
    Security2CCMessageEncapsulation,
    Security2CCNonceGet,
    Security2CCNonceReport,
} from "@zwave-js/cc";
import { SPANState, ZWaveErrorCodes } from "@zwave-js/core";
import { ApplicationCommandRequest } from "@zwave-js/serial/serialapi";

const NONCE_WITHIN_MS = 2000;
const ASKS = 5;
/** How long a host has to use an offered nonce; Z-Wave JS looks out for one for half a second. */
const OFFER_MS = 1000;
/** How soon, beyond the time in the air, a host says that it could not decrypt. */
const OBJECTS_WITHIN_MS = 30;
const REPEAT_WITHIN_MS = 10000;
const REPEATS = 3;

export class Voice {
    #chip;
    #device;
    #mock;
    #saying = Promise.resolve();
    #asking = false;
    /** A nonce of ours that the host may use: `nonce`, `until`. */
    #offer;
    /** What was said last under encryption: `inner`, `securityClass`, `at`, `repeats`. */
    #last;
    #waiting = new Set();

    /** `device` has a `name`, and `hears` while it can be heard; `mock` is its node. */
    constructor(chip, device, mock) {
        this.#chip = chip;
        this.#device = device;
        this.#mock = mock;
    }

    get #host() {
        return this.#mock.controller.ownNodeId;
    }

    get #manager() {
        return this.#mock.securityManagers.securityManager2;
    }

    get #state() {
        return this.#manager.getSPANState(this.#host).type;
    }

    // ---- from the host

    /** Decrypt one frame; undefined where that was not possible, of which the host is told. */
    async hear(data) {
        const before = this.#manager.getSPANState(this.#host);
        if (before.type === SPANState.RemoteEI && this.#offer) {
            // Offers have crossed, and the host has taken ours.
            const receiverEI = this.#offer.nonce;
            this.#manager.setSPANState(this.#host, { type: SPANState.LocalEI, receiverEI });
        }
        const cc = await this.#parse(data);
        if (cc instanceof Security2CCMessageEncapsulation) {
            this.#offer = undefined;
        } else if (before.type === SPANState.RemoteEI && this.#state === SPANState.LocalEI) {
            this.#manager.setSPANState(this.#host, before);
        }
        if (cc instanceof InvalidCC) {
            if (
                cc.reason !== ZWaveErrorCodes.Security2CC_CannotDecode &&
                cc.reason !== ZWaveErrorCodes.Security2CC_NoSPAN
            ) {
                return;
            }
            const receiverEI = await this.#manager.generateNonce(this.#host);
            this.offered(receiverEI);
            void this.#utter(
                new Security2CCNonceReport({
                    nodeId: this.#host,
                    SOS: true,
                    MOS: false,
                    receiverEI,
                }),
            );
            return;
        }
        this.#tell();
        // Nobody has asked for it: the host could not decrypt what was said last.
        if (cc instanceof Security2CCNonceReport && !this.#asking) this.#repeatLater();
        return cc;
    }

    async #parse(data) {
        const mock = this.#mock;
        return CommandClass.parse(data, {
            sourceNodeId: this.#host,
            __internalIsMockNode: true,
            ...mock.encodingContext,
            ...mock.securityManagers,
            frameType: "singlecast",
        });
    }

    /** The host was given a nonce. */
    offered(nonce) {
        this.#offer = { nonce, until: Date.now() + OFFER_MS };
    }

    // ---- to the host

    /** Everything that was to be said is said, or given up. */
    get quiet() {
        return this.#saying;
    }

    /** Say it in its turn; resolves when it is out, or given up. */
    say(cc) {
        return this.#inTurn(() => this.#utter(cc));
    }

    /** The same under the highest key, or that of `securityClass`. */
    encrypt(inner, securityClass) {
        return this.#inTurn(() => this.#encrypt({ inner, securityClass, repeats: REPEATS }));
    }

    /** Without encryption, and at once: what others wait for. */
    interject(cc) {
        void this.#utter(cc);
    }

    #inTurn(speak) {
        this.#saying = this.#saying
            .then(speak)
            .catch((cause) => console.error(`${this.#device.name}: not said: ${cause.message}`));
        return this.#saying;
    }

    #utter(cc) {
        return this.#chip.onAir(() => this.#deliver(cc));
    }

    async #encrypt(words) {
        let said = false;
        while (!said) {
            if (!this.#device.hears) return;
            await this.#synchronise();
            said = await this.#chip.onAir(async () => {
                // The air was waited for, and something may have been heard meanwhile.
                if (!this.#inStep) return false;
                const { inner, securityClass } = words;
                const { id, securityManagers } = this.#mock;
                await this.#deliver(
                    Security2CC.encapsulate(inner, id, securityManagers, { securityClass }),
                );
                this.#last = { ...words, at: Date.now() };
                return true;
            });
        }
        await this.#news(2 * this.#chip.airMs + OBJECTS_WITHIN_MS);
    }

    #repeatLater() {
        const last = this.#last;
        this.#last = undefined;
        if (!last || last.repeats === 0 || Date.now() - last.at > REPEAT_WITHIN_MS) return;
        void this.#inTurn(() => this.#encrypt({ ...last, repeats: last.repeats - 1 }));
    }

    async #deliver(cc) {
        if (!this.#device.hears || this.#chip.isLost("up")) return;
        const mock = this.#mock;
        const message = new ApplicationCommandRequest({ command: cc });
        message.getNodeId = () => mock.id;
        await this.#chip.toHost((controller) => controller.sendMessageToHost(message, mock));
    }

    // ---- finding into step

    get #inStep() {
        return (
            !this.#offer && (this.#state === SPANState.SPAN || this.#state === SPANState.RemoteEI)
        );
    }

    async #synchronise() {
        for (let asked = 0; !this.#inStep; ) {
            if (this.#offer) {
                const left = this.#offer.until - Date.now();
                if (left > 0) await this.#news(left);
                else this.#offer = undefined;
                continue;
            }
            if (++asked > ASKS) throw new Error("the host gave no nonce");
            this.#asking = true;
            void this.#utter(new Security2CCNonceGet({ nodeId: this.#host }));
            const until = Date.now() + NONCE_WITHIN_MS;
            while (this.#state !== SPANState.RemoteEI && Date.now() < until) {
                await this.#news(until - Date.now());
                if (this.#state === SPANState.SPAN) break; // the host was quicker
            }
            this.#asking = false;
        }
    }

    #tell() {
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
    }

    /** Until a frame was understood, or so many milliseconds have passed. */
    #news(within) {
        return new Promise((resolve) => {
            const wake = () => {
                clearTimeout(timer);
                resolve();
            };
            const timer = setTimeout(() => {
                this.#waiting.delete(wake);
                resolve();
            }, within);
            this.#waiting.add(wake);
        });
    }
}
