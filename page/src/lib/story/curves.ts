// What the linked figure draws of a run: curves by column, and the lines that mean something.

import type { About, Row } from "../engine/protocol";
import type { Reference, Series } from "../charts/series";
import type { Colors } from "../theme.svelte";

/** N and L of a copying task. */
export function size_of(about: About | undefined): { n: number; l: number } | undefined {
  const targets = about?.facts.targets as Record<string, { n_labels?: number }> | undefined;
  const l = targets && Object.values(targets)[0]?.n_labels;
  const geometry = about ? (about.n_tokens - 1) / 2 : 0;
  return l && about ? { n: geometry, l } : undefined;
}

/** Values of a column at the rows. */
export function column(rows: Row[], name: string): (number | null)[] {
  return rows.map((row) => row[name] ?? null);
}

/** A curve of other rows at these steps: the last value before each; nothing after its end. */
export function at_steps(steps: number[], rows: Row[], name: string): (number | null)[] {
  const last = rows.at(-1)?.step ?? -1;
  let i = 0;
  return steps.map((step) => {
    while (i + 1 < rows.length && (rows[i + 1] as Row).step <= step) i++;
    return step > last || rows.length === 0 ? null : (rows[i]?.[name] ?? null);
  });
}

/** All steps of several runs, rising, each once. */
export function all_steps(...runs: Row[][]): number[] {
  return [...new Set(runs.flatMap((rows) => rows.map((row) => row.step)))].sort((a, b) => a - b);
}

/** Accuracies of guessing. */
export function accuracy_lines(size: { n: number; l: number }): Reference[] {
  const all = [{ value: 1 / size.n, label: `1/N = ${(1 / size.n).toFixed(3)}: one of the context's labels` }];
  if (size.l !== size.n) all.push({ value: 1 / size.l, label: "1/L: any label" });
  return all;
}

/** Losses of guessing. */
export function loss_lines(size: { n: number; l: number }): Reference[] {
  const all = [{ value: Math.log(size.n), label: `ln N = ${Math.log(size.n).toFixed(2)}: one of the context's labels` }];
  if (size.l !== size.n) all.unshift({ value: Math.log(size.l), label: `ln L = ${Math.log(size.l).toFixed(2)}: nothing known` });
  return all;
}

const PARTS = ["content", "position", "buffer"];

/** The nine interactions of a layer: the one that the circuit needs in color, the others gray. */
export function interactions(rows: Row[], layer: number, key: [string, string], colors: Colors): Series[] {
  const all = PARTS.flatMap((query) => PARTS.map((of) => [query, of] as const));
  const is_key = (query: string, of: string): boolean => query === key[0] && of === key[1];
  const sorted = [...all].sort((a, b) => Number(is_key(...a)) - Number(is_key(...b)));
  return sorted.map(([query, of]) => ({
    label: is_key(query, of) ? `layer ${layer + 1}: ${query} finds ${of}` : "",
    values: column(rows, `interaction_${layer}_${query}_${of}_contrast`),
    color: is_key(query, of) ? (layer === 0 ? colors.blue : colors.vermillion) : colors.muted,
    width: is_key(query, of) ? 2.5 : 1,
    faint: !is_key(query, of),
  }));
}
