// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// The avatar's voice on this computer's loudspeaker, on the same clock as the pictures.

const TICK_MS = 100;
const SMOOTHING = 0.05; // per tick, for the sound card's clock: two seconds
const JUMP_MS = 30;

export class Voice {
  #node = null;
  #skew = null; // the page's time minus the sound card's, for what is being heard
  #heard = null;
  #sounding = false;

  constructor(playout) {
    this.playout = playout;
    this.context = new AudioContext({ latencyHint: "interactive" });
    this.counts = { jumps: 0 };
    /** For tests and meters. */
    this.analyser = new AnalyserNode(this.context, { fftSize: 2048 });
    this.ready = this.#prepare();
  }

  get isRunning() {
    return this.context.state === "running";
  }

  /** Start the sound; browsers allow this only after a touch or a click. */
  async resume() {
    await this.context.resume();
  }

  /** Take a chunk of the voice. */
  push({ stampMs, height: rate, data }) {
    if (!this.#node) return;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const samples = new Float32Array(data.byteLength >> 1);
    for (let i = 0; i < samples.length; i += 1) samples[i] = view.getInt16(2 * i, true) / 32768;
    const start = Math.round((stampMs * rate) / 1000);
    this.#node.port.postMessage({ start, rate, samples }, [samples.buffer]);
  }

  /** Fall silent at once, and play nothing that is stamped before. */
  hush(stampMs) {
    this.#node?.port.postMessage({ hush: stampMs / 1000 });
  }

  /** The stamp of the voice that is heard at a time on the page's clock; null in silence. */
  heardAt(page) {
    if (!this.#heard || !this.#sounding || this.#skew === null) return null;
    return this.#heard.ros * 1000 + (page - this.#skew - this.#heard.context * 1000);
  }

  get sounding() {
    return this.#sounding && this.isRunning;
  }

  async #prepare() {
    await this.context.audioWorklet.addModule("./voice-worklet.js");
    this.#node = new AudioWorkletNode(this.context, "voice", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.connect(this.analyser).connect(this.context.destination);
    this.#node.port.onmessage = ({ data }) => {
      if (data.spare !== undefined) {
        if (this.isRunning) this.playout.voiceReady(data.spare * 1000, performance.now());
        return;
      }
      this.#heard = data.heard;
      this.#sounding = this.playout.sounding = data.sounding;
      this.counts = data.counts;
    };
    setInterval(() => this.#tick(), TICK_MS);
  }

  #tick() {
    if (!this.isRunning || this.playout.clock.offset === null) return;
    const skew = this.#measure();
    if (this.#skew === null || Math.abs(skew - this.#skew) > JUMP_MS) this.#skew = skew;
    else this.#skew += (skew - this.#skew) * SMOOTHING;
    // a sample that the sound card plays at its time c is heard at the page's time c + skew
    const lag = this.playout.clock.toRos(this.#skew) - this.playout.delay;
    this.#node.port.postMessage({ lag: lag / 1000 });
  }

  #measure() {
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    if (contextTime > 0 && performanceTime > 0) return performanceTime - contextTime * 1000;
    const latency = this.context.outputLatency || this.context.baseLatency || 0; // not all browsers report it
    return performance.now() - (this.context.currentTime - latency) * 1000;
  }
}
