// The runs of a sweep by the values of its axes.

import { median } from "../curves";
import type { Axis, Member, SweepSaid, Value } from "./api";

const same = (a: Value, b: Value): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The last part of a field's name says enough beside its values. */
export const short = (field: string): string => field.split(".").at(-1)?.replaceAll("_", " ") ?? field;

/** A value as people read it. */
export function said(value: Value): string {
  if (typeof value === "number") return value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Axes that have more than one value; the others say nothing. */
export const real_axes = (sweep: SweepSaid): Axis[] => sweep.axes.filter((axis) => axis.values.length > 1);

/** Runs that have a value of an axis, with what goes together with it. */
export function runs_at(runs: Member[], axis: Axis, index: number): Member[] {
  const fields = [axis, ...(axis.together ?? [])];
  return runs.filter((run) => fields.every(({ field, values }) => !(field in run.values) || same(run.values[field], values[index])));
}

/** A point of the grid and its runs. */
export interface GridPoint {
  at: number[];
  name: string;
  runs: Member[];
}

/** All points of the grid of these axes that have runs. */
export function points(sweep: SweepSaid, axes: Axis[]): GridPoint[] {
  let all: GridPoint[] = [{ at: [], name: "", runs: sweep.runs }];
  for (const axis of axes) {
    all = all.flatMap(({ at, name, runs }) =>
      axis.values.map((value, i) => ({ at: [...at, i], name: [...(name ? [name] : []), `${short(axis.field)} ${said(value)}`].join(", "), runs: runs_at(runs, axis, i) })),
    );
  }
  return all.filter(({ runs }) => runs.length > 0);
}

/** Names of final columns, those that say most first: accuracies, then losses, then the rest. */
export function final_columns(runs: Member[]): string[] {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.final ?? {})))];
  const rank = (name: string): number => (/(^|_)accuracy$/.test(name) && !/context|ablate/.test(name) ? 0 : /share$/.test(name) && !/interaction/.test(name) ? 1 : /(^|_)loss$/.test(name) ? 2 : 3);
  return names.sort((a, b) => rank(a) - rank(b));
}

/** Median of a final column, or of t50 with runs that did not jump as later than all; null where there is none. Only
 * runs that have ended count. */
export function median_of(runs: Member[], column: string): number | null {
  const ended = runs.filter((run) => run.final !== null);
  const values = ended.map((run) => (column === "t50" ? (run.t50 ?? Infinity) : (run.final?.[column] ?? NaN)));
  const known = values.filter((value) => !Number.isNaN(value));
  const value = median(known);
  return Number.isFinite(value) ? value : null;
}
