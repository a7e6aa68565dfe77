// A run on the page: live in a worker of its own, or stored; its rows, and the step that everything shows.

import { Engine } from "../engine/client";
import type { About, Look, Row, Transition } from "../engine/protocol";

/** A run as a page has it in its files, for the first paint. */
export interface StoredRun {
  about: About;
  rows: Row[];
  /** By step. */
  looks: Record<string, Look>;
  transition: Transition | null;
  digest: string;
}

/** A finished curve that stays as a faint line. */
export interface Ghost {
  name: string;
  rows: Row[];
}

export class RunView {
  about = $state<About | undefined>();
  rows = $state.raw<Row[]>([]);
  /** Where training stands. */
  step = $state(0);
  loss = $state(NaN);
  /** Steps per second. */
  rate = $state(0);
  is_playing = $state(false);
  ended = $state<"finished" | "diverged" | undefined>();
  digest = $state("");
  outcome = $state("");
  transition = $state.raw<Transition | null>(null);
  problem = $state("");
  /** What is shown; undefined: where training stands. */
  cursor = $state<number | undefined>();
  look = $state.raw<Look | undefined>();
  ghosts = $state.raw<Ghost[]>([]);
  /** Which context is looked at. */
  sequence = $state(0);
  set = $state(0);

  shown = $derived(this.cursor ?? this.step);
  /** The row of the shown step, or the last before it. */
  row = $derived(row_at(this.rows, this.shown));

  private engine = $state.raw<Engine | undefined>();
  private begun: Promise<void> = Promise.resolve();
  private stored: StoredRun | undefined;
  private is_looking = false;
  private wants_look = false;
  private waiting_rows: Row[] = [];
  private frame = 0;
  spec = "";
  changes: string[] = [];
  /** Bytes of the file of items that the spec names, where it names one. */
  items_file: Uint8Array | undefined;

  get is_live(): boolean {
    return this.engine !== undefined;
  }

  /** Shows a run of the page's files until something is trained. */
  show(stored: StoredRun): void {
    this.stored = stored;
    [this.about, this.rows, this.transition] = [stored.about, stored.rows, stored.transition];
    [this.step, this.digest, this.ended] = [stored.rows.at(-1)?.step ?? 0, stored.digest, "finished"];
    this.see();
  }

  /** Gives a shown run its engine: the spec's run, with the stored weights of its last step. */
  async revive(spec: string, changes: string[], step: number, weights: Uint8Array): Promise<void> {
    const engine = new Engine();
    try {
      await engine.begin(spec, changes, this.items_file);
      await engine.restore(`step-${String(step).padStart(8, "0")}.safetensors`, weights);
    } catch (error) {
      engine.free();
      throw error;
    }
    // Something may have been begun meanwhile.
    if (this.engine || this.ended === undefined) return engine.free();
    this.adopt(engine);
    [this.spec, this.changes, this.stored, this.problem] = [spec, changes, undefined, ""];
    this.see();
  }

  /** Makes the run of a spec at step 0. The curve of the run before it stays as a ghost where it is of the same kind. */
  async begin(spec: string, changes: string[] = [], keep_ghost = true): Promise<void> {
    if (keep_ghost && this.rows.length > 1 && this.about) {
      const ghost = { name: this.about.name, rows: this.rows };
      this.ghosts = [...this.ghosts.slice(-7), ghost];
    }
    this.engine?.free();
    this.stored = undefined;
    [this.spec, this.changes] = [spec, changes];
    [this.rows, this.step, this.loss, this.rate] = [[], 0, NaN, 0];
    [this.is_playing, this.ended, this.digest, this.outcome] = [false, undefined, "", ""];
    [this.transition, this.cursor, this.look, this.problem] = [null, undefined, undefined, ""];
    this.waiting_rows = [];
    const engine = new Engine();
    this.adopt(engine);
    try {
      const begun = engine.begin(spec, changes, this.items_file);
      this.begun = begun.then(() => {}, () => {});
      this.about = await begun;
      this.see();
    } catch (error) {
      if (engine !== this.engine) return;
      this.problem = error instanceof Error ? error.message : String(error);
      engine.free();
      this.engine = undefined;
    }
  }

  private adopt(engine: Engine): void {
    this.engine = engine;
    engine.on_news = (news) => engine === this.engine && this.hear(news);
    engine.on_failure = (error) => {
      if (engine !== this.engine) return;
      [this.problem, this.engine, this.is_playing] = [error.message, undefined, false];
    };
  }

  private hear(news: Parameters<Engine["on_news"]>[0]): void {
    if ("row" in news) {
      // Many rows may come within one frame; the curves are drawn once for all.
      this.waiting_rows.push(news.row);
      if (!this.frame) this.frame = requestAnimationFrame(() => this.take_rows());
    } else if ("at" in news) {
      [this.step, this.loss, this.rate] = [news.at, news.loss, news.rate];
      if (this.cursor === undefined) this.see();
    } else {
      this.take_rows();
      [this.is_playing, this.ended, this.digest] = [false, news.ended, news.digest];
      [this.outcome, this.transition] = [news.outcome, news.transition];
    }
  }

  private take_rows(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.waiting_rows.length > 0) this.rows = [...this.rows, ...this.waiting_rows];
    this.waiting_rows = [];
  }

  play(steps?: number, pace = 0): void {
    if (!this.engine || this.ended) return;
    this.cursor = undefined;
    this.is_playing = steps === undefined;
    const engine = this.engine;
    // Whoever is quick may ask before there is a run.
    const play = (): Promise<void> | void => {
      if (engine === this.engine && (steps !== undefined || this.is_playing)) return engine.play(steps, pace);
    };
    void this.begun.then(play).catch(() => {});
  }

  pause(): void {
    this.is_playing = false;
    void this.engine?.pause().catch(() => {});
  }

  /** The same spec and the same first weights, from the beginning. */
  rewind(): Promise<void> {
    return this.begin(this.spec, this.changes);
  }

  /** Shows a step; undefined follows training. */
  scrub(step: number | undefined): void {
    const last = this.step;
    this.cursor = step === undefined || step >= last ? undefined : Math.max(0, Math.round(step));
    this.see();
  }

  /** Another context. */
  turn_to(sequence: number, set = this.set): void {
    [this.sequence, this.set] = [Math.max(0, sequence), set];
    this.see();
  }

  /** Asks for the context at the shown step; one question at a time, the last one counts. */
  see(): void {
    if (this.stored) {
      const steps = Object.keys(this.stored.looks).map(Number);
      const near = steps.filter((step) => step <= this.shown).at(-1) ?? steps[0];
      if (near !== undefined) this.look = this.stored.looks[near];
      return;
    }
    const engine = this.engine;
    if (!engine || !this.about) return;
    if (this.is_looking) {
      this.wants_look = true;
      return;
    }
    [this.is_looking, this.wants_look] = [true, false];
    engine
      .look(this.shown, this.set, this.sequence)
      .then((look) => {
        if (engine === this.engine) this.look = look;
      })
      .catch(() => {})
      .finally(() => {
        this.is_looking = false;
        if (this.wants_look && engine === this.engine) setTimeout(() => this.see(), 60);
      });
  }

  without_head = (layer: number, head: number): Promise<number | undefined> =>
    this.engine?.without_head(layer, head) ?? Promise.resolve(undefined);
  archive = (): Promise<Uint8Array> => this.engine?.archive() ?? Promise.reject(new Error("nothing was trained yet"));
  items = (sequence: number): Promise<Float32Array> =>
    this.engine?.items(this.set, sequence) ?? Promise.reject(new Error("nothing was trained yet"));
  look_with = (items: Float32Array): Promise<Look> =>
    this.engine?.look_with(this.shown, items, this.set, this.sequence) ?? Promise.reject(new Error("nothing was trained yet"));

  /** What the network of a step makes of the context, with items of the page's own where they are given. */
  look_at = (step: number, items?: Float32Array): Promise<Look> => {
    if (!this.engine) return Promise.reject(new Error("nothing was trained yet"));
    const { set, sequence } = this;
    return items ? this.engine.look_with(step, items, set, sequence) : this.engine.look(step, set, sequence);
  };
  /** Steps that can be looked at, rising; the last is where training stands. */
  kept = async (): Promise<number[]> => {
    const kept = (await this.engine?.kept()) ?? [];
    return kept.at(-1) === this.step ? kept : [...kept, this.step];
  };

  free(): void {
    this.engine?.free();
    this.engine = undefined;
    this.is_playing = false;
  }
}

/** The last row at or before a step. */
export function row_at(rows: Row[], step: number): Row | undefined {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as Row).step <= step) low = middle + 1;
    else high = middle;
  }
  return rows[Math.max(0, low - 1)];
}
