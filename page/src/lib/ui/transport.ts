// What the buttons of a run do, so that keys can do the same.

import { bind } from "../keys";
import { type Seed, seed_of, SEEDS, with_seed } from "../seeds";
import type { RunView } from "../state/run.svelte";

/** What is trained if nothing is trained yet. */
export interface Beginning {
  spec: string;
  changes: string[];
}

/** Makes sure that there is a live run which has not ended. */
async function ready(run: RunView, beginning: Beginning): Promise<void> {
  if (!run.is_live) {
    // A run that failed or was only shown has no worker.
    const spec = run.spec || beginning.spec;
    await run.begin(spec, run.spec ? run.changes : beginning.changes, false);
  } else if (run.ended) await run.rewind();
}

/** Plays, or pauses; `pace` is steps a second at most, 0 for as fast as it goes. */
export async function toggle(run: RunView, beginning: Beginning, pace = 0): Promise<void> {
  if (run.is_playing) return run.pause();
  await ready(run, beginning);
  run.play(undefined, pace);
}

/** One step, or some. */
export async function step(run: RunView, beginning: Beginning, steps = 1): Promise<void> {
  await ready(run, beginning);
  run.play(steps);
}

/** The same first weights, at step 0. */
export async function rewind(run: RunView, beginning: Beginning): Promise<void> {
  if (run.is_live) await run.rewind();
  else await ready(run, beginning);
}

/** Other first weights, other data; goes on playing if it did. */
export async function new_seed(run: RunView, beginning: Beginning, pace = 0, names: readonly Seed[] = SEEDS): Promise<void> {
  const was_playing = run.is_playing;
  const { spec, changes } = run.spec ? run : beginning;
  await run.begin(spec, with_seed(changes, (seed_of(changes, names) ?? 0) + 1, names));
  if (was_playing) run.play(undefined, pace);
}

/** One row back or forth; from the last one on a step of training. */
function row(run: RunView, by: -1 | 1): void {
  if (by === 1 && run.is_live && !run.is_playing && !run.ended && run.cursor === undefined) return run.play(1);
  run.pause();
  const at = run.rows.findLastIndex((row) => row.step <= run.shown);
  const to = run.rows[Math.min(run.rows.length - 1, Math.max(0, at + by))];
  if (to) run.scrub(to.step);
}

/** Space, arrows, R and N for a run. Returns what undoes it. */
export function bind_run(run: RunView, beginning: () => Beginning, names: readonly Seed[] = SEEDS): () => void {
  return bind({
    play: () => void toggle(run, beginning()),
    step: (by) => row(run, by),
    rewind: () => void rewind(run, beginning()),
    seed: () => void new_seed(run, beginning(), 0, names),
  });
}
