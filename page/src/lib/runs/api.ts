// What `precipice serve` says of the runs and sweeps of its folder.

import type { Row, Transition } from "../engine/protocol";

/** transition, both, iw, none, lost, diverged of a run that has ended; else training, stopped, planned, damaged. */
export type Outcome = string;

export interface RunEntry {
  kind: "run";
  path: string;
  name: string;
  family: string | null;
  outcome: Outcome;
  steps: number | null;
  step: number | null;
  seed: number | null;
  t50: number | null;
  /** Seconds since 1970. */
  modified: number;
  /** What the sparkline shows. */
  column: string | null;
  sparkline: (number | null)[] | null;
  problem: string | null;
}

export interface SweepEntry {
  kind: "sweep";
  path: string;
  name: string;
  n_runs: number;
  n_done: number;
  n_jumped: number;
  modified: number;
  problem: string | null;
}

export type Entry = RunEntry | SweepEntry;

export interface Listed {
  dir: string;
  entries: Entry[];
  /** Whether there are more than are listed. */
  cut?: boolean;
}

export interface Column {
  name: string;
  words: string | null;
  unit: string | null;
  group: string | null;
}

export interface RunSaid {
  path: string;
  spec_hash: string;
  spec: Record<string, unknown>;
  toml: string;
  digest: string | null;
  arithmetic: string | null;
  columns: Column[];
  rows: Row[];
  checkpoints: number[];
  outcome: Outcome;
  transition: Transition | null;
  is_training: boolean;
}

/** A value of a swept field, as JSON has it. */
export type Value = unknown;

export interface Axis {
  field: string;
  values: Value[];
  /** Fields that go together with it. */
  together?: { field: string; values: Value[] }[];
}

export interface Member {
  id: string;
  values: Record<string, Value>;
  seed: number | null;
  outcome: Outcome;
  t50: number | null;
  /** Of the last row; null where it has not ended. */
  final: Record<string, number | null> | null;
  /** Up to 64 values, evenly chosen from the first row to the last. */
  curve: (number | null)[] | null;
  problem?: string | null;
}

export interface SweepSaid {
  path: string;
  name: string;
  axes: Axis[];
  runs: Member[];
}

async function asked(question: string): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`./api/${question}`);
  } catch {
    throw new Error("the server does not answer; is `precipice serve` still running?");
  }
  // A host of static files answers with a page, or not at all.
  const is_ours = /^application\/(json|octet-stream)/.test(answer.headers.get("Content-Type") ?? "");
  if (!is_ours) throw new Error("no server with runs stands behind this page");
  if (answer.ok) return answer;
  const said = (await answer.json().catch(() => ({}))) as { error?: string };
  throw new Error(said.error ?? `${answer.status} ${answer.statusText}`);
}

const path_of = (path: string): string => `path=${encodeURIComponent(path)}`;

export const list = async (): Promise<Listed> => (await asked("runs")).json();
export const run = async (path: string): Promise<RunSaid> => (await asked(`run?${path_of(path)}`)).json();
export const sweep = async (path: string): Promise<SweepSaid> => (await asked(`sweep?${path_of(path)}`)).json();
export const checkpoint = async (path: string, step: number): Promise<Uint8Array> =>
  new Uint8Array(await (await asked(`checkpoint?${path_of(path)}&step=${step}`)).arrayBuffer());

/** Rows of a run in training as they come, each with its step; ends with what the run became. Returns what stops it. */
export function follow(path: string, on: { row: (row: Row) => void; end: () => void; problem: (words: string) => void }): () => void {
  const source = new EventSource(`./api/rows?${path_of(path)}`);
  source.onmessage = (event: MessageEvent<string>) => on.row(JSON.parse(event.data) as Row);
  source.addEventListener("end", () => {
    source.close();
    on.end();
  });
  source.addEventListener("problem", (event) => {
    source.close();
    on.problem((JSON.parse((event as MessageEvent<string>).data) as { error?: string }).error ?? "the run could not be read further");
  });
  // The browser asks again by itself, from the row that it has; where it gives up it says so.
  source.onerror = () => source.readyState === EventSource.CLOSED && on.problem("the server does not tell of new rows any more");
  return () => source.close();
}
