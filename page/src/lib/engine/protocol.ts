// What goes between the page and its workers, and what the engine says.

/** One row of measurements: columns of the log by name; null where undefined. */
export type Row = { step: number } & Record<string, number | null>;

/** What a task says of itself. */
export interface Facts {
  family: string;
  targets: unknown;
  d_item: number;
  eval_sets: { prefix: string; words: string }[];
  /** Which of them probes look at. */
  probed_set?: { eval: number };
  [name: string]: unknown;
}

/** What a run is. */
export interface About {
  name: string;
  hash: string;
  facts: Facts;
  n_layers: number;
  n_heads: number;
  n_tokens: number;
  arithmetic: "fused" | "portable";
  steps: number;
  has_attention: boolean;
}

/** A context, and what the network makes of it. */
export interface Look {
  step: number;
  n_tokens: number;
  n_exemplars: number;
  item_ids: number[];
  labels: number[];
  matches: boolean[];
  values: number[];
  answer: number;
  outputs: number[];
  /** [layer][head][T * T], row by row. */
  patterns: number[][][];
}

/** The jump; null where undefined. */
export interface Transition {
  onset_step: number | null;
  t50: number | null;
  width_10_90: number | null;
  plateau_accuracy: number | null;
  plateau_loss: number | null;
}

/** A built-in experiment. */
export interface BuiltIn {
  name: string;
  description: string;
  family: string;
  steps: number;
}

/** A spec that can be run. */
export interface Resolved {
  name: string;
  hash: string;
  toml: string;
  spec: Record<string, unknown>;
  facts: Facts;
}

/** (beta, alpha, xi) and its loss. */
export interface Place {
  point: [number, number, number];
  loss: number;
}

/** What a landscape has. */
export interface Marks {
  saddle: Place | null;
  t50: number | null;
  edge: (Place & { t: number }) | null;
  separatrix: [number, number][][];
  origin_loss: number;
}

/** What the page asks of a worker. */
export interface Request {
  id: number;
  method: string;
  args: unknown[];
}

/** An answer to a request, or news of a run. */
export type Message =
  | { id: number; value: unknown }
  | { id: number; error: string; is_spoiled: boolean }
  | { row: Row }
  | { at: number; loss: number; kept: boolean; rate: number }
  | { ended: "finished" | "diverged"; digest: string; outcome: string; transition: Transition | null; kept: number[] };
