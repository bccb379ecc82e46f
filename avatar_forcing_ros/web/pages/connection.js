// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// The page's WebSocket: it reconnects by itself, asks for the time and dispatches messages.

import { ServerClock } from "./clock.js";

const HEAD = 24;
const RETRY_MS = [100, 250, 500, 1000];
const CLOCK_FIRST_MS = 100;
const CLOCK_MS = 1000;
const FIRST_QUESTIONS = 8;
const SILENT_MS = 4000; // the clock is asked every second, so a server that says nothing for this long is gone

/**
 * Events: "open", "closed" (detail: why), "picture", "speech" (detail: header and data), and one for each message type.
 */
export class Connection extends EventTarget {
  #socket = null;
  #tries = 0;
  #questions = 0;
  #timer = 0;
  #heardAt = 0;
  #askedAt = 0;

  /** @param role "face" or "engineer"; @param codec codec of the pictures, or null for none. */
  constructor(role, codec) {
    super();
    this.role = role;
    this.codec = codec;
    this.clock = new ServerClock();
    this.addEventListener("clock", ({ detail }) => this.clock.learn(detail.sent, detail.now_ms, performance.now()));
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    clearTimeout(this.#timer);
    const address = new URL("socket", location); // beside the page, which a proxy may serve under any path
    address.protocol = location.protocol === "https:" ? "wss" : "ws";
    address.search = address.hash = "";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#begin(socket);
    socket.onmessage = ({ data }) => this.#sort(data);
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#end(code, reason);
    this.#socket = socket;
  }

  /** Send a JSON message; false while there is no connection. */
  say(words) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(words));
    return true;
  }

  /** Send a packet, unless so much waits already that it would arrive too late. */
  send(kind, rate, stampMs, data, mostWaiting = 256 * 1024) {
    if (!this.isOpen || this.clock.offset === null || this.#socket.bufferedAmount > mostWaiting) return false;
    const packet = new Uint8Array(HEAD + data.byteLength);
    const view = new DataView(packet.buffer);
    view.setUint8(0, kind);
    view.setUint32(4, rate, true);
    view.setBigInt64(8, BigInt(Math.round(stampMs * 1000)) * 1000n, true);
    packet.set(new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength), HEAD);
    this.#socket.send(packet);
    return true;
  }

  #begin(socket) {
    this.clock.reset();
    this.#questions = 0;
    this.#heardAt = performance.now();
    socket.send(JSON.stringify({ type: "hello", role: this.role, codec: this.codec }));
    this.#ask(socket);
    this.#tell("open");
  }

  #ask(socket) {
    if (socket !== this.#socket || socket.readyState !== WebSocket.OPEN) return;
    const now = performance.now();
    if (now - this.#heardAt > SILENT_MS && !document.hidden) {
      this.#socket = null;
      socket.close();
      this.#end(1006, "the kiosk says nothing");
      return;
    }
    this.#question(socket, now);
    this.#questions += 1;
    setTimeout(() => this.#ask(socket), this.#questions < FIRST_QUESTIONS ? CLOCK_FIRST_MS : CLOCK_MS);
  }

  #question(socket, now) {
    this.#askedAt = now;
    socket.send(JSON.stringify({ type: "clock", sent: now }));
  }

  #sort(data) {
    this.#heardAt = performance.now();
    if (typeof data === "string") {
      const words = JSON.parse(data);
      if (words.type === "welcome") this.#tries = 0;
      this.#tell(words.type, words);
      return;
    }
    const view = new DataView(data);
    const head = {
      key: view.getUint8(1) === 1,
      width: view.getUint16(2, true),
      height: view.getUint32(4, true), // for speech: its sample rate
      stamp: view.getBigInt64(8, true),
      stampMs: Number(view.getBigInt64(8, true) / 1000n) / 1000,
      data: new Uint8Array(data, HEAD),
    };
    if (this.clock.doubts(head.stampMs) && this.#heardAt - this.#askedAt > CLOCK_FIRST_MS) this.#question(this.#socket, this.#heardAt);
    this.#tell(view.getUint8(0) === 1 ? "picture" : "speech", head);
  }

  #end(code, reason) {
    this.#tell("closed", { code, reason });
    const wait = RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
    this.#tries += 1;
    this.#timer = setTimeout(() => this.open(), wait);
  }

  #retryNow() {
    const state = this.#socket?.readyState;
    if (state !== WebSocket.OPEN && state !== WebSocket.CONNECTING) {
      this.#tries = 0;
      this.open();
    }
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
