// One worker: an instance of the engine, and at most one live run in it.

import init, * as engine from "./wasm/engine.js";
import type { Message, Request, Row } from "./protocol";

let live: engine.Live | undefined;
let is_playing = false;
let has_ended = false;
/** Steps per second at most; 0: as fast as it goes. */
let pace = 0;
/** Steps that are still to be made before it pauses; undefined: no end. */
let budget: number | undefined;
let owed = 0;
let began = 0;
let last_slice = 0;
let told = 0;
let rate = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** How long a slice may last: shorter than a frame, so that pause and scrub are immediate. */
const SLICE_MS = 12;
/** How often the page is told of steps. */
const TELL_MS = 33;

const post = (message: Message, transfer: Transferable[] = []): void => self.postMessage(message, { transfer });

// Timers of a browser are clamped to 4 ms; a message to oneself comes back at once.
const channel = new MessageChannel();
channel.port1.onmessage = slice;
const later = (): void => channel.port2.postMessage(null);

function slice(): void {
  if (!live || !is_playing || has_ended) return;
  const now = performance.now();
  if (pace > 0) owed = Math.min(owed + ((now - last_slice) / 1000) * pace, Math.max(1, pace / 10));
  const first = live.step();
  let is_kept = false;
  for (;;) {
    if (budget !== undefined && budget <= 0) is_playing = false;
    if (!is_playing || (pace > 0 && owed < 1)) break;
    const before = live.step();
    const event = live.advance(1);
    const made = live.step() - before;
    owed -= made;
    if (budget !== undefined) budget -= made;
    if (event === "row") tell_row(live);
    if (event === "checkpoint") is_kept = true;
    if (event === "finished" || event === "diverged") return end(live, event);
    if (performance.now() - now > SLICE_MS) break;
  }
  const done = performance.now();
  const speed = ((live.step() - first) / Math.max(done - last_slice, 0.1)) * 1000;
  rate = rate === 0 ? speed : 0.9 * rate + 0.1 * speed;
  last_slice = now;
  if (done - told > TELL_MS || is_kept || !is_playing) {
    told = done;
    post({ at: live.step(), loss: live.last_loss(), kept: is_kept, rate });
  }
  if (!is_playing) return;
  if (pace > 0 && owed < 1) timer = setTimeout(later, Math.min(100, ((1 - owed) / pace) * 1000));
  else later();
}

function tell_row(run: engine.Live): void {
  const row = run.row();
  if (row) post({ row: JSON.parse(row) as Row });
}

function end(run: engine.Live, ended: "finished" | "diverged"): void {
  has_ended = true;
  is_playing = false;
  post({ at: run.step(), loss: run.last_loss(), kept: true, rate });
  const { outcome, transition } = JSON.parse(run.outcome());
  post({ ended, digest: run.digest(), outcome, transition, kept: [...run.kept_steps()] });
}

function run(): engine.Live {
  if (!live) throw new Error("there is no run");
  return live;
}

/** Everything that a page can ask for. */
const methods = {
  async start(module: WebAssembly.Module): Promise<boolean> {
    await init({ module_or_path: module });
    engine.start();
    return engine.rounds_once(1 + 2 ** -12);
  },
  specs: () => JSON.parse(engine.specs()),
  resolve: (spec: string, changes: string[]) => JSON.parse(engine.resolve(spec, JSON.stringify(changes))),
  surface: (n: number, l: number, beta_2: number, alpha: number[], xi: number[], points: number) =>
    engine.cliff_surface(n, l, beta_2, new Float64Array(alpha), new Float64Array(xi), points),
  marks: (n: number, l: number, beta_2: number) => JSON.parse(engine.cliff_marks(n, l, beta_2)),
  flow: (n: number, l: number, beta_2: number, start: number[]) =>
    engine.cliff_flow(n, l, beta_2, new Float64Array(start)),
  ball: (n: number, l: number, beta_2: number, alpha: number, xi: number, length: number) =>
    engine.cliff_ball(n, l, beta_2, alpha, xi, length),
  point: (n: number, l: number, beta_2: number, beta: number, alpha: number, xi: number) =>
    JSON.parse(engine.cliff_point(n, l, beta_2, beta, alpha, xi)),
  /** Makes a run without measuring anything, for stored weights to be put into it. */
  open(spec: string, changes: string[], arithmetic: string, items?: Uint8Array) {
    stop();
    live?.free();
    live = undefined;
    live = new engine.Live(spec, JSON.stringify(changes), arithmetic, items);
    has_ended = false;
    began = Date.now();
    return JSON.parse(live.about());
  },
  /** Begins a run and measures its first row. */
  begin(spec: string, changes: string[], arithmetic: string, items?: Uint8Array) {
    const about = methods.open(spec, changes, arithmetic, items);
    const live = run();
    while (live.advance(0) !== "paused") tell_row(live);
    post({ at: 0, loss: NaN, kept: true, rate: 0 });
    return about;
  },
  play(steps?: number, most = 0) {
    run();
    [pace, budget, owed, rate] = [most, steps, 1, 0];
    last_slice = performance.now();
    if (is_playing || has_ended) return;
    is_playing = true;
    later();
  },
  pause: () => stop(),
  look: (step: number, set: number, sequence: number) => JSON.parse(run().look(step, set, sequence)),
  look_with: (step: number, set: number, sequence: number, items: Float32Array) =>
    JSON.parse(run().look_with(step, set, sequence, items)),
  items: (set: number, sequence: number) => run().items(set, sequence),
  without_head: (layer: number, head: number) => run().without_head(layer, head),
  restore: (name: string, bytes: Uint8Array) => run().restore(name, bytes),
  digest: () => run().digest(),
  kept: () => [...run().kept_steps()],
  archive() {
    const time = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z/, "Z");
    const now = Date.now();
    return run().archive(time(began), time(now), (now - began) / 1000, navigator.userAgent);
  },
};

function stop(): void {
  is_playing = false;
  clearTimeout(timer);
  if (live && !has_ended) post({ at: live.step(), loss: live.last_loss(), kept: false, rate });
}

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  const { id, method, args } = data;
  try {
    const call = methods[method as keyof typeof methods] as (...args: unknown[]) => unknown;
    post({ id, value: await call(...args) });
  } catch (error) {
    const is_spoiled = error instanceof WebAssembly.RuntimeError || String(error).includes("panicked");
    post({ id, error: error instanceof Error ? error.message : String(error), is_spoiled });
  }
};
