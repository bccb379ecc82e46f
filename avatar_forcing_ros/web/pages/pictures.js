// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Decodes pictures and draws each when it is due.

const FORMATS = {
  h264: { codec: "avc1.42E032", optimizeForLatency: true }, // baseline, level 5: up to 2560 pixels a side
  vp8: { codec: "vp8", optimizeForLatency: true },
};
const MOST_WAITING = 50;
const REMEMBERED = 500;

/** The best codec that this browser can decode: "h264", "vp8" or "jpeg". */
export async function chooseCodec() {
  const asked = new URLSearchParams(location.search).get("codec");
  const names = asked ? [asked] : Object.keys(FORMATS);
  for (const name of names) {
    try {
      if (FORMATS[name] && (await VideoDecoder.isConfigSupported(FORMATS[name])).supported) return name;
    } catch {
      // no WebCodecs: the browser is old, or the page is not in a secure context
    }
  }
  return "jpeg";
}

/** Pictures on a canvas. */
export class Pictures {
  #decoder = null;
  #waiting = []; // {stamp, stampMs, image}, by stamp
  #stamps = new Map(); // the decoder's timestamp -> {stamp, stampMs}
  #decoding = 0;
  #size = "";
  #last = 0;
  #intervals = [];
  #jumps = 0;

  /**
   * @param canvas to draw on; @param playout says when.
   * @param onFault called when a picture that needs none before it is needed.
   */
  constructor(canvas, playout, onFault) {
    this.canvas = canvas;
    this.playout = playout;
    this.onFault = onFault;
    this.context = canvas.getContext("2d", { alpha: false });
    /** Shown pictures, the latest last: {stamp, stampMs, at}, `at` by the page's clock. */
    this.shown = [];
    this.dropped = 0;
    this.onShown = () => {};
    requestAnimationFrame((time) => this.#draw(time));
  }

  /** Take an encoded picture. */
  push(head, codec) {
    if (codec === "jpeg") {
      if (this.#decoding > 3) return void (this.dropped += 1);
      this.#decoding += 1;
      createImageBitmap(new Blob([head.data], { type: "image/jpeg" }))
        .then((image) => this.#ready(head, image))
        .catch(() => (this.dropped += 1))
        .finally(() => (this.#decoding -= 1));
      return;
    }
    const decoder = this.#decoderFor(head, codec);
    if (!decoder) return;
    const timestamp = Math.round(head.stampMs * 1000);
    this.#stamps.set(timestamp, { stamp: head.stamp, stampMs: head.stampMs });
    decoder.decode(new EncodedVideoChunk({ type: head.key ? "key" : "delta", timestamp, data: head.data }));
  }

  /** Drop waiting pictures after a lost connection; the canvas keeps its picture. */
  reset() {
    this.#closeDecoder();
    this.#drop();
  }

  #drop() {
    for (const { image } of this.#waiting) image.close();
    this.#waiting = [];
  }

  #decoderFor(head, codec) {
    const size = `${codec} ${head.width}x${head.height}`;
    if (head.key && (size !== this.#size || this.#decoder?.state !== "configured")) {
      this.#closeDecoder();
      const decoder = new VideoDecoder({
        output: (frame) => {
          const known = this.#stamps.get(frame.timestamp);
          this.#stamps.delete(frame.timestamp);
          if (known && decoder === this.#decoder) this.#ready(known, frame);
          else frame.close();
        },
        error: () => decoder === this.#decoder && this.#fail(),
      });
      decoder.configure({ ...FORMATS[codec], codedWidth: head.width, codedHeight: head.height });
      this.#decoder = decoder;
      this.#size = size;
    }
    return this.#decoder?.state === "configured" ? this.#decoder : null;
  }

  #fail() {
    this.dropped += 1;
    this.#closeDecoder();
    this.onFault();
  }

  #closeDecoder() {
    if (this.#decoder && this.#decoder.state !== "closed") this.#decoder.close();
    this.#decoder = null;
    this.#stamps.clear();
  }

  #ready(head, image) {
    const now = performance.now();
    if (this.playout.clock.offset !== null) this.playout.pictureReady(head.stampMs, now);
    const entry = { stamp: head.stamp, stampMs: head.stampMs, image };
    let place = this.#waiting.length;
    while (place > 0 && this.#waiting[place - 1].stampMs > entry.stampMs) place -= 1;
    this.#waiting.splice(place, 0, entry);
    while (this.#waiting.length > MOST_WAITING) {
      this.#waiting.shift().image.close();
      this.dropped += 1;
    }
  }

  #draw(time) {
    requestAnimationFrame((next) => this.#draw(next));
    if (this.#last) this.#intervals.push(time - this.#last);
    if (this.#intervals.length > 30) this.#intervals.shift();
    this.#last = time;
    const { clock } = this.playout;
    if (clock.offset === null) return;
    if (clock.jumps !== this.#jumps) {
      this.#jumps = clock.jumps;
      this.#drop(); // they belong to a time that may not come for hours
      this.playout.reset();
    }
    const interval = this.interval;
    const seen = time + interval; // what is drawn now appears on the screen with the next refresh
    let chosen = null;
    while (this.#waiting.length && this.playout.due(this.#waiting[0].stampMs) <= seen + interval / 2) {
      if (chosen) {
        chosen.image.close();
        this.dropped += 1;
      }
      chosen = this.#waiting.shift();
    }
    if (chosen) this.#show(chosen, seen);
  }

  #show({ stamp, stampMs, image }, at) {
    const [width, height] = [image.displayWidth ?? image.width, image.displayHeight ?? image.height];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.context.drawImage(image, 0, 0);
    image.close();
    this.shown.push({ stamp, stampMs, at });
    if (this.shown.length > REMEMBERED) this.shown.shift();
    this.onShown(stamp, stampMs, at);
  }

  /** Time between two refreshes of the screen. */
  get interval() {
    const sorted = [...this.#intervals].sort((a, b) => a - b);
    return Math.min(50, Math.max(4, sorted[sorted.length >> 1] ?? 16.7));
  }
}
