// What the network makes of the shown context at step 0 and at the shown step, with drawings where there are some.

import type { Look } from "../../lib/engine/protocol";
import { type HanRun, with_drawings } from "../../lib/han";
import type { RunView } from "../../lib/state/run.svelte";

/** Features that take the place of items. */
export interface Drawings {
  slot: number;
  exemplar?: Float32Array;
  query?: Float32Array;
}

export class Looks {
  before = $state.raw<Look | undefined>();
  after = $state.raw<Look | undefined>();
  private is_asking = false;
  private waiting: Drawings | undefined;
  /** What `before` was asked for. */
  private known = "";

  constructor(private run: RunView) {}

  /** Stored looks, for as many contexts as there are. */
  show(stored: HanRun): void {
    const looks = stored.contexts[this.run.sequence % stored.contexts.length] ?? {};
    const steps = Object.keys(looks).map(Number);
    const near = steps.findLast((step) => step <= this.run.shown) ?? 0;
    [this.before, this.after] = [looks["0"], looks[String(near)]];
  }

  /** Asks the engine; one question at a time, the last one counts. */
  async ask(drawings: Drawings): Promise<void> {
    if (this.is_asking) {
      this.waiting = drawings;
      return;
    }
    this.is_asking = true;
    try {
      const { run } = this;
      const is_drawn = drawings.exemplar !== undefined || drawings.query !== undefined;
      const items = is_drawn ? with_drawings(await run.items(run.sequence), drawings) : undefined;
      const key = `${run.about?.hash} ${run.sequence} ${items?.join(" ") ?? ""}`;
      if (key !== this.known || !this.before) {
        this.before = await run.look_at(0, items);
        this.known = key;
      }
      this.after = await run.look_at(run.shown, items);
    } catch {
      // The run was begun anew meanwhile, or there is none; whoever shows the run says so.
    } finally {
      this.is_asking = false;
      const { waiting } = this;
      this.waiting = undefined;
      if (waiting) setTimeout(() => void this.ask(waiting), 30);
    }
  }
}
