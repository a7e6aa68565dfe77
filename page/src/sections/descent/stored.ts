// A run that is shown from the page's files until the reader trains it.

import { data } from "../../lib/data";
import { RunView, type StoredRun } from "../../lib/state/run.svelte";

/** The run's view, shown as soon as its file is read. Who calls frees it; `on_problem` hears why there is nothing. */
export function shown_run(file: string, on_problem: (words: string) => void): RunView {
  const run = new RunView();
  data<StoredRun>(file).then(
    // The reader may have begun meanwhile.
    (stored) => !run.is_live && run.show(stored),
    (error: Error) => on_problem(error.message),
  );
  return run;
}
