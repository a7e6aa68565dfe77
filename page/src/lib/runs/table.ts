// Filtering and sorting of a list of runs and sweeps.

import type { Entry } from "./api";

export const COLUMNS = ["name", "outcome", "step", "seed", "t50", "modified"] as const;
export type SortColumn = (typeof COLUMNS)[number];

/** Outcomes in words. */
const WORDS: Record<string, string> = {
  transition: "jumped",
  both: "jumped, and knows by heart",
  iw: "by heart only",
  none: "no jump",
  lost: "learned and forgot",
  diverged: "diverged",
  training: "training now",
  stopped: "stopped",
  planned: "not begun",
  damaged: "damaged",
};
export const words_of = (outcome: string): string => WORDS[outcome] ?? outcome.replaceAll("_", " ");

/** What stands in the column "outcome". */
export function outcome_of(entry: Entry): string {
  if (entry.problem !== null) return "damaged";
  if (entry.kind === "run") return words_of(entry.outcome);
  return entry.n_done < entry.n_runs ? `${entry.n_done} of ${entry.n_runs} done` : `${entry.n_jumped} of ${entry.n_done} jumped`;
}

function value_of(entry: Entry, column: SortColumn): string | number | null {
  if (column === "outcome") return outcome_of(entry);
  if (column === "name") return `${entry.name} ${entry.path}`.toLowerCase();
  if (column === "modified") return entry.modified;
  return entry.kind === "run" ? entry[column] : null;
}

/** Entries in which every word of the filter stands somewhere: in path, name, family or outcome. */
export function filtered(entries: Entry[], filter: string): Entry[] {
  const wanted = filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const text = (entry: Entry): string => [entry.path, entry.name, entry.kind === "run" ? entry.family : "sweep", outcome_of(entry)].join(" ").toLowerCase();
  return entries.filter((entry) => wanted.every((word) => text(entry).includes(word)));
}

/** A sorted copy; what has no value comes last, either way. */
export function sorted(entries: Entry[], column: SortColumn, is_falling: boolean): Entry[] {
  const sign = is_falling ? -1 : 1;
  return [...entries].sort((a, b) => {
    const [va, vb] = [value_of(a, column), value_of(b, column)];
    if (va === null || vb === null) return Number(va === null) - Number(vb === null);
    if (typeof va === "number" && typeof vb === "number") return sign * (va - vb);
    return sign * String(va).localeCompare(String(vb), "en", { numeric: true });
  });
}
