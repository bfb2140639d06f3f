// The device's part of exchanging keys, where zwave-js' mock is less patient than a node is.
// Here: the echo of the granted keys until the host confirms it, and proving a key that was given.
// Not here: the other steps, which the mock's own behaviors answer.
//
// The mock asks for a nonce once and for one second, and gives up without a word; the times of
// CC:009F are ten seconds and more, and the echo is repeated every ten.

import {
    ECDHProfiles,
    KEXSchemes,
    Security2CCKEXSet,
    Security2CCNetworkKeyReport,
    Security2CCNetworkKeyVerify,
    Security2CCPublicKeyReport,
} from "@zwave-js/cc";
import { CommandClasses, computePRK, deriveSharedECDHSecret, deriveTempKeys } from "@zwave-js/core";

export const BOOTSTRAP_STATE = "Security2_bootstrapState"; // where zwave-js' mock keeps it
const Stage = { Handshake: 1, RequestingKeys: 2, VerifyingKeys: 3 };

/** Curve25519 on the processor of a lock; the host derives its keys meanwhile. */
const DERIVES_MS = 500;
const ECHO_EVERY_MS = 10000;

/** `voice` is the one of the node that the behavior is defined for. */
export function joiningBehavior(voice) {
    return {
        handleCC: async (controller, mock, cc) => {
            if (cc instanceof Security2CCPublicKeyReport && cc.includingNode) {
                await deriveKeys(mock, cc.publicKey);
                repeatEcho(mock, voice);
                return { action: "stop" };
            }
            if (cc instanceof Security2CCNetworkKeyReport && takesKeys(mock, cc)) {
                await takeKey(mock, cc);
                const verify = new Security2CCNetworkKeyVerify({ nodeId: controller.ownNodeId });
                void voice.encrypt(verify, cc.grantedKey);
                return { action: "stop" };
            }
        },
    };
}

async function deriveKeys(mock, publicKey) {
    const own = mock.ecdhKeyPair;
    const manager = mock.securityManagers.securityManager2;
    const host = mock.controller.ownNodeId;
    const secret = await deriveSharedECDHSecret({ publicKey, privateKey: own.privateKey });
    const keys = await deriveTempKeys(await computePRK(secret, publicKey, own.publicKey));
    manager.deleteNonce(host);
    manager.tempKeys.set(host, {
        keyCCM: keys.tempKeyCCM,
        personalizationString: keys.tempPersonalizationString,
    });
}

/** A host that waits for its user's digits cannot decrypt it yet. */
function repeatEcho(mock, voice) {
    const begun = mock.state.get(BOOTSTRAP_STATE);
    const echo = () => {
        if (mock.state.get(BOOTSTRAP_STATE) !== begun || begun?.stage !== Stage.Handshake) return;
        const cc = new Security2CCKEXSet({
            nodeId: mock.controller.ownNodeId,
            echo: true,
            selectedKEXScheme: KEXSchemes.KEXScheme1,
            selectedECDHProfile: ECDHProfiles.Curve25519,
            permitCSA: false,
            grantedKeys: [...mock.capabilities.securityClasses],
        });
        // Every echo with a nonce of its own: the host has forgotten those of before the digits.
        mock.securityManagers.securityManager2.deleteNonce(mock.controller.ownNodeId);
        void voice.encrypt(cc);
        setTimeout(echo, ECHO_EVERY_MS).unref();
    };
    setTimeout(echo, DERIVES_MS).unref();
}

function takesKeys(mock, cc) {
    return (
        mock.state.get(BOOTSTRAP_STATE)?.stage === Stage.RequestingKeys &&
        cc.isEncapsulatedWith(CommandClasses["Security 2"])
    );
}

/** Use it for one proof: the words after that come under the temporary key again. */
async function takeKey(mock, { grantedKey, networkKey }) {
    const host = mock.controller.ownNodeId;
    const state = mock.state.get(BOOTSTRAP_STATE);
    const manager = mock.securityManagers.securityManager2;
    state.keys.set(grantedKey, networkKey);
    mock.encodingContext.setSecurityClass(host, grantedKey, true);
    await manager.setKey(grantedKey, networkKey);
    manager.deleteNonce(host);
    const verifying = { ...state, stage: Stage.VerifyingKeys, currentKey: grantedKey };
    mock.state.set(BOOTSTRAP_STATE, verifying);
}
