// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// The visitor's camera and microphone, sent with the time of capture on the ROS clock.

const CAMERA = 3;
const MICROPHONE = 4;
const WIDTH = 640;
const HEIGHT = 480;
const RATE_HZ = 25;
const JPEG_QUALITY = 0.8;
const SKEWS = 100; // two seconds of chunks
const CAMERA_LATENCY_MS = 40; // assumed if the browser does not say when a picture was taken; two pictures at most
const REASONS = {
  NotAllowedError: "Camera and microphone are not allowed here. You can type instead, or allow them in the address bar.",
  NotFoundError: "No camera or microphone was found. You can type instead.",
  NotReadableError: "Another program is using the camera or the microphone. You can type instead.",
};

/** Camera and microphone of this browser, while the visitor permits their use. */
export class Senses {
  #stream = null;
  #node = null;
  #source = null;
  #video = null;
  #canvas = null;
  #coding = false;
  #lastPicture = 0;
  #skews = []; // the page's time minus the sound card's, when samples were handed over

  constructor(connection, audio) {
    this.connection = connection;
    this.audio = audio;
    this.sent = { pictures: 0, sounds: 0, skipped: 0 };
    this.granted = false; // by the kiosk: another page may have them
    connection.addEventListener("senses", ({ detail }) => (this.granted = detail.granted));
    connection.addEventListener("closed", () => (this.granted = false));
  }

  /** Whether this page may ask for them at all. */
  get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get isOpen() {
    return this.#stream !== null;
  }

  /**
   * Ask for and open them; without a camera the microphone alone. Returns what is missing, in words, or "".
   * Raises an Error for people.
   */
  async open(camera, microphone) {
    if (!this.possible) throw new Error("Camera and microphone need https or localhost. You can type instead.");
    if (this.#stream) return "";
    const audio = microphone && { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const video = camera && { width: WIDTH, height: HEIGHT, frameRate: RATE_HZ, facingMode: "user" };
    let missing = "";
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio, video });
    } catch (error) {
      if (!camera || !microphone) throw new Error(REASONS[error.name] ?? error.message);
      try {
        this.#stream = await navigator.mediaDevices.getUserMedia({ audio });
        missing = "No camera: the avatar can hear you, but not see you.";
      } catch {
        throw new Error(REASONS[error.name] ?? error.message);
      }
    }
    const stream = this.#stream;
    for (const track of stream.getTracks()) track.onended = () => this.close();
    this.offer();
    if (stream.getAudioTracks().length) await this.#hear(stream);
    if (stream.getVideoTracks().length) await this.#see(stream);
    return missing;
  }

  /** Tell the kiosk what this page provides; repeated after each reconnection. */
  offer() {
    if (!this.#stream) return;
    const [sound] = this.#stream.getAudioTracks();
    this.connection.say({
      type: "senses",
      camera: this.#stream.getVideoTracks().length > 0,
      microphone: Boolean(sound),
      echo_cancellation: sound?.getSettings().echoCancellation === true,
    });
  }

  /** Stop camera and microphone. */
  close() {
    if (!this.#stream) return;
    for (const track of this.#stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.#source?.disconnect();
    this.#node?.disconnect();
    if (this.#video) this.#video.srcObject = null;
    this.#stream = this.#source = this.#node = this.#video = null;
    this.connection.say({ type: "senses", camera: false, microphone: false, echo_cancellation: false });
  }

  async #hear(stream) {
    await this.audio.audioWorklet.addModule("./microphone-worklet.js");
    if (stream !== this.#stream) return; // closed meanwhile
    this.#source = new MediaStreamAudioSourceNode(this.audio, { mediaStream: stream });
    this.#node = new AudioWorkletNode(this.audio, "microphone", { numberOfOutputs: 0, channelCount: 1 });
    const latency = 1000 * (stream.getAudioTracks()[0].getSettings().latency ?? 0.01);
    this.#skews = [];
    this.#node.port.onmessage = ({ data }) => this.#sendSound(data, latency);
    this.#source.connect(this.#node);
  }

  /** @param at the sound card's time of the chunk's first sample. */
  #sendSound({ at, samples }, latency) {
    const { clock } = this.connection;
    if (clock.offset === null || !this.granted) return;
    // The message comes when the chunk is full, or later: the least recent delay is the true one.
    const length = (samples.length / this.audio.sampleRate) * 1000;
    this.#skews.push(performance.now() - at * 1000 - length);
    if (this.#skews.length > SKEWS) this.#skews.shift();
    const stamp = clock.toRos(at * 1000 + Math.min(...this.#skews) - latency);
    const ok = this.connection.send(MICROPHONE, this.audio.sampleRate, stamp, samples);
    this.sent[ok ? "sounds" : "skipped"] += 1;
  }

  async #see(stream) {
    const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: stream });
    await video.play().catch(() => {});
    if (stream !== this.#stream) return; // closed meanwhile
    this.#video = video;
    const [width, height] = [video.videoWidth || WIDTH, video.videoHeight || HEIGHT];
    const scale = Math.min(1, WIDTH / Math.max(width, height));
    this.#canvas = new OffscreenCanvas(Math.round(width * scale) & ~1, Math.round(height * scale) & ~1);
    this.#next();
  }

  #next() {
    const video = this.#video;
    if (!video) return;
    if (video.requestVideoFrameCallback) {
      video.requestVideoFrameCallback((now, about) => {
        this.#picture(about.captureTime ?? now - CAMERA_LATENCY_MS);
        this.#next();
      });
    } else {
      setTimeout(() => {
        this.#picture(performance.now() - CAMERA_LATENCY_MS);
        this.#next();
      }, 1000 / RATE_HZ);
    }
  }

  /** @param at when it was taken, by the page's clock. */
  async #picture(at) {
    const { clock } = this.connection;
    if (this.#coding || !this.#video || !this.granted || clock.offset === null || at - this.#lastPicture < 800 / RATE_HZ) return;
    this.#coding = true;
    this.#lastPicture = at;
    try {
      const context = this.#canvas.getContext("2d", { alpha: false });
      context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
      const blob = await this.#canvas.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY });
      const ok = this.connection.send(CAMERA, 0, clock.toRos(at), new Uint8Array(await blob.arrayBuffer()), 128 * 1024);
      this.sent[ok ? "pictures" : "skipped"] += 1;
    } finally {
      this.#coding = false;
    }
  }
}
