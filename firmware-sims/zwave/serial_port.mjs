// The serial port of the simulated stick as a TCP server: frames in, frames out, and a cable that
// can be cut. Here: framing and the connection. Not here: what frames mean (chip.mjs).
//
// It stands in for MockPort of @zwave-js/serial, of which MockController uses `readable` and
// `emitData`. TCP cuts where it likes, and MockController wants a chunk to be one ACK, NAK, CAN or
// whole data frame, so frames are put together here (INS12350, 5.4: SOF, length, …, checksum).

import net from "node:net";

const SOF = 0x01;
const ACK = 0x06;
const NAK = 0x15;
const CAN = 0x18;

export class SerialPort {
    #feed;
    #socket;
    #server;
    #rest = Buffer.alloc(0);

    /** Deaf and dumb, with the cable still in. */
    mute = false;
    /** Called with true when a host has connected, with false when it has gone. */
    connection = () => {};

    readable = new ReadableStream({
        start: (feed) => {
            this.#feed = feed;
        },
    });

    get connected() {
        return this.#socket != undefined;
    }

    /** Listen; resolves to the port. The newest host has the stick. */
    listen(host, port) {
        this.#server = net.createServer((socket) => this.#accept(socket));
        return new Promise((resolve, reject) => {
            this.#server.once("error", reject);
            this.#server.listen(port, host, () => resolve(this.#server.address().port));
        });
    }

    /** Bytes from the stick to the host; lost where nobody listens. */
    emitData(data) {
        if (!this.mute) this.#socket?.write(data);
    }

    cut() {
        this.#socket?.destroy();
    }

    close() {
        this.cut();
        this.#server?.close();
    }

    #accept(socket) {
        this.cut();
        socket.setNoDelay(true);
        this.#socket = socket;
        this.#rest = Buffer.alloc(0);
        this.connection(true);
        socket.on("data", (chunk) => this.#take(chunk));
        socket.on("error", () => {}); // "close" follows
        socket.on("close", () => {
            if (this.#socket !== socket) return;
            this.#socket = undefined;
            this.connection(false);
        });
    }

    #take(chunk) {
        if (this.mute) return;
        let data = Buffer.concat([this.#rest, chunk]);
        while (data.length > 0) {
            const first = data[0];
            if (first === ACK || first === NAK || first === CAN) {
                // The driver cancels by CAN only where it is told to; MockController takes it for
                // an error of the host.
                if (first !== CAN) this.#feed.enqueue(Uint8Array.of(first));
                data = data.subarray(1);
            } else if (first !== SOF) {
                data = data.subarray(1);
            } else if (data.length < 2 || data.length < data[1] + 2) {
                break;
            } else {
                const frame = data.subarray(0, data[1] + 2);
                data = data.subarray(frame.length);
                if (checksum(frame) === frame.at(-1)) this.#feed.enqueue(Uint8Array.from(frame));
                else this.emitData(Uint8Array.of(NAK));
            }
        }
        this.#rest = data;
    }
}

/** One data frame; `type` is 0 for a request or callback, 1 for a response. */
export function dataFrame(type, functionType, payload) {
    const frame = Uint8Array.of(SOF, payload.length + 3, type, functionType, ...payload, 0);
    frame[frame.length - 1] = checksum(frame);
    return frame;
}

function checksum(frame) {
    let sum = 0xff;
    for (const byte of frame.subarray(1, -1)) sum ^= byte;
    return sum;
}
