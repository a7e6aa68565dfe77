// The page's side of a worker: calls as promises, a run as an object that tells of itself.

import { type Arithmetic, compiled } from "./module";
import type { About, BuiltIn, Look, Marks, Message, Place, Request, Resolved, Row, Transition } from "./protocol";

type Pending = { resolve: (value: never) => void; reject: (error: Error) => void };
type News = Extract<Message, { row: Row } | { at: number } | { ended: string }>;

/** N exemplars, L labels, and beta_2: how much the formula's layer 2 prefers labels. */
export type Size = [n: number, l: number, beta_2: number];

/** One worker and its instance of the engine. */
export class Engine {
  arithmetic: Arithmetic = "fused";
  private worker: Worker;
  private pending = new Map<number, Pending>();
  private next = 0;
  private ready: Promise<void>;
  /** Told of what a run does by itself. */
  on_news: (news: News) => void = () => {};
  /** Told when the worker can do no more. */
  on_failure: (error: Error) => void = () => {};

  constructor() {
    this.worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<Message>) => this.hear(data);
    this.worker.onerror = (event) => this.fail(new Error(event.message || "the worker could not be started"));
    this.ready = this.load();
    // Whoever calls learns of it; nobody may have called yet.
    this.ready.catch(() => {});
  }

  private async load(): Promise<void> {
    const { module, arithmetic } = await compiled();
    const rounds_once = await this.send("start", [module]);
    this.arithmetic = rounds_once ? arithmetic : "portable";
  }

  private hear(message: Message): void {
    if (!("id" in message)) return this.on_news(message);
    const pending = this.pending.get(message.id);
    this.pending.delete(message.id);
    if ("value" in message) return pending?.resolve(message.value as never);
    const error = new Error(message.error);
    pending?.reject(error);
    if (message.is_spoiled) this.fail(error);
  }

  private fail(error: Error): void {
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
    this.on_failure(error);
  }

  private send(method: string, args: unknown[], transfer: Transferable[] = []): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.pending.set(id, { resolve, reject } as Pending);
      this.worker.postMessage({ id, method, args } satisfies Request, transfer);
    });
  }

  private async call<T>(method: string, ...args: unknown[]): Promise<T> {
    await this.ready;
    return this.send(method, args) as Promise<T>;
  }

  specs = (): Promise<BuiltIn[]> => this.call("specs");
  resolve = (spec: string, changes: string[] = []): Promise<Resolved> => this.call("resolve", spec, changes);
  /** Loss over alpha (rows) and xi (columns), points x points; beta_2 is 0 in the formula of three parameters. */
  surface = (size: Size, alpha: number[], xi: number[], points: number): Promise<Float64Array> =>
    this.call("surface", ...size, alpha, xi, points);
  marks = (size: Size): Promise<Marks> => this.call("marks", ...size);
  /** Flat [t, beta, alpha, xi, loss, p(correct)]. */
  flow = (size: Size, start: number[]): Promise<Float64Array> => this.call("flow", ...size, start);
  /** Flat [alpha, xi] of the line of descent. */
  ball = (size: Size, alpha: number, xi: number, length: number): Promise<Float64Array> =>
    this.call("ball", ...size, alpha, xi, length);
  /** With beta as it is on the flow from the origin where it is NaN. */
  point = (size: Size, beta: number, alpha: number, xi: number): Promise<Place & Record<string, number>> =>
    this.call("point", ...size, beta, alpha, xi);
  /** A run that has measured nothing, for `restore`. */
  open = (spec: string, changes: string[]): Promise<About> => this.ready.then(() => this.call("open", spec, changes, this.arithmetic));
  /** `items`: the bytes of the file that the spec names. */
  begin = (spec: string, changes: string[], items?: Uint8Array, arithmetic?: Arithmetic): Promise<About> =>
    this.ready.then(() => this.call("begin", spec, changes, arithmetic ?? this.arithmetic, items));
  /** As many steps, or to the end; at most so many a second. */
  play = (steps?: number, pace = 0): Promise<void> => this.call("play", steps, pace);
  pause = (): Promise<void> => this.call("pause");
  /** Of the nearest kept step at or before this one. */
  look = (step: number, set = 0, sequence = 0): Promise<Look> => this.call("look", step, set, sequence);
  look_with = (step: number, items: Float32Array, set = 0, sequence = 0): Promise<Look> =>
    this.call("look_with", step, set, sequence, items);
  items = (set: number, sequence: number): Promise<Float32Array> => this.call("items", set, sequence);
  without_head = (layer: number, head: number): Promise<number | undefined> => this.call("without_head", layer, head);
  restore = (name: string, bytes: Uint8Array): Promise<void> => this.call("restore", name, bytes);
  digest = (): Promise<string> => this.call("digest");
  kept = (): Promise<number[]> => this.call("kept");
  archive = (): Promise<Uint8Array> => this.call("archive");

  /** Ends the worker; nothing is answered after it. */
  free(): void {
    this.worker.terminate();
    this.pending.clear();
  }
}

let shared: Engine | undefined;

/** The worker for theory and specs, made when it is first needed and anew after a failure. */
export function theory(): Engine {
  if (!shared) {
    shared = new Engine();
    shared.on_failure = () => (shared = undefined);
  }
  return shared;
}

/** How a run ended. */
export interface Ending {
  ended: "finished" | "diverged";
  digest: string;
  outcome: string;
  transition: Transition | null;
}
