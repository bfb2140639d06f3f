// Loaded before the unmodified server (node --require): what its command line has no words for.
//
// The first line of standard input is a token, and whoever opens a WebSocket has to show it: the
// server itself asks nobody who he is, and every user of a machine reaches its loopback. The end of
// standard input is the end of the gateway, which may be killed without a word; a server that
// outlived it would hold the stick. One that has only just started takes 43 s to end when asked
// (zwave-js 15.29), so it is not asked twice.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const { timingSafeEqual } = require("node:crypto");

function firstLine() {
  const bytes = [];
  const one = Buffer.alloc(1);
  while (fs.readSync(0, one, 0, 1, null) === 1 && one[0] !== 0x0a) bytes.push(one[0]);
  return Buffer.from(bytes).toString("latin1");
}

const expected = Buffer.from(`Bearer ${firstLine()}`);

function knows(request) {
  const shown = Buffer.from(String(request.headers.authorization));
  return shown.length === expected.length && timingSafeEqual(shown, expected);
}

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, ...args) {
  if (event === "upgrade" && !knows(args[0])) {
    args[1].end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
    return true;
  }
  return emit.call(this, event, ...args);
};

const ENDS_WITHIN_MS = 5000;

process.stdin.on("end", () => {
  process.kill(process.pid, "SIGTERM");
  setTimeout(() => process.kill(process.pid, "SIGKILL"), ENDS_WITHIN_MS).unref();
});
process.stdin.resume();
