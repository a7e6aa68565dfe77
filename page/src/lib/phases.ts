// A sweep over two fields: cells of runs that differ in their seeds.

import { median } from "./curves";

export interface PhaseRun {
  /** Indices of the axes' values. */
  x: number;
  y: number;
  seed: number;
  /** Final accuracy on classes that were never trained, whose label stands in the context. */
  ic: number;
  /** Final accuracy on trained classes, whose context does not help. */
  iw: number;
  t50: number | null;
  steps: number;
  curve: { step: number[]; ic: (number | null)[]; iw: (number | null)[] };
}

export interface PhaseAxis {
  field: string;
  label: string;
  values: number[];
}

/** phases.json */
export interface Phases {
  name: string;
  x: PhaseAxis;
  y: PhaseAxis;
  runs: PhaseRun[];
}

/** What a map shows. */
export type Shown = "ic" | "iw" | "t50";

/** Runs of a cell. */
export const runs_of = (phases: Phases, x: number, y: number): PhaseRun[] => phases.runs.filter((run) => run.x === x && run.y === y);

/** Median over the seeds; null where there is none: nothing was run, or half of the seeds had not jumped. */
export function value_of(runs: PhaseRun[], shown: Shown): number | null {
  const value = median(runs.map((run) => (shown === "t50" ? (run.t50 ?? Infinity) : run[shown])));
  return Number.isFinite(value) ? value : null;
}

/** What the reader sets. */
export interface Cell {
  n_classes: number;
  burstiness: number;
  noise: number;
  exponent: number;
}

/** As the fast settings of the sweep have it, so that a live curve can be laid over stored ones. */
export function changes_of({ n_classes, burstiness, noise, exponent }: Cell): string[] {
  const task = "task.classification.";
  // With distinct labels the frequencies of classes would have no effect in a context with copies.
  const zipf = exponent > 0 ? [`${task}zipf_exponent=${exponent}`, `${task}distinct_labels=false`] : [];
  return [
    `${task}p_novel=0`, `${task}n_classes=${n_classes}`, `${task}burstiness=${burstiness}`, `${task}within_class_noise=${noise}`,
    ...zipf, "train.steps=4000", "eval.every=200", "eval.sequences=500", "probes.enabled=false",
  ];
}
