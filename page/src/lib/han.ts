// Drawn characters: their pictures, and a linear map from a picture to the features that the network reads.

import { data } from "./data";
import { bytes_of, type Picture, picture_of, PIXELS } from "./packed";
import type { Look } from "./engine/protocol";
import type { StoredRun } from "./state/run.svelte";

/** han-map.json: a ridge regression, made by scripts/page_han.py. */
export interface MapFile {
  /** int8 [features, pixels], base64. */
  weights: string;
  /** What a unit of a feature's weights is. */
  scales: number[];
  bias: number[];
  /** On characters that it was not fitted to; shares of the most similar exemplar being right of 4 and of 8. */
  numbers: Record<"r2" | "cosine" | "right_4" | "right_4_features" | "right_8" | "right_8_features", number>;
}

/** han-pictures.json */
export interface PicturesFile {
  n_contexts: number;
  /** Row of the bank of each picture, rising: class x 12 + typeface. */
  ids: number[];
  pixels: string;
  /** Of all classes that were held out, from `first_class` on. */
  characters: string;
  first_class: number;
  /** Rows that a reader can choose from: [character][typeface]. */
  choices: number[][];
}

/** han-small.json: the run, and several contexts' looks by step. */
export type HanRun = StoredRun & { contexts: Record<string, Look>[] };

/** Instances of a class in the bank. */
const TYPEFACES = 12;

/** Pictures by their row in the bank. */
export class Pictures {
  private packed: Uint8Array;
  private index: Map<number, number>;

  constructor(private file: PicturesFile) {
    this.packed = bytes_of(file.pixels);
    this.index = new Map(file.ids.map((id, at) => [id, at]));
  }

  get choices(): number[][] {
    return this.file.choices;
  }
  get n_contexts(): number {
    return this.file.n_contexts;
  }

  of(id: number): Picture | undefined {
    const at = this.index.get(id);
    return at === undefined ? undefined : picture_of(this.packed, at);
  }

  character(id: number): string {
    return [...this.file.characters][Math.floor(id / TYPEFACES) - this.file.first_class] ?? "?";
  }
}

/** From a picture to a feature vector of unit length. */
export class FeatureMap {
  readonly numbers: MapFile["numbers"];
  private weights: Int8Array;

  constructor(private file: MapFile) {
    this.numbers = file.numbers;
    this.weights = new Int8Array(bytes_of(file.weights).buffer);
  }

  features(picture: Picture): Float32Array {
    const said = this.file.bias.map((bias, j) => {
      let sum = 0;
      for (let i = 0; i < PIXELS; i++) sum += (this.weights[j * PIXELS + i] ?? 0) * (picture[i] ?? 0);
      return bias + sum * (this.file.scales[j] ?? 0);
    });
    const length = Math.hypot(...said);
    return Float32Array.from(said, (value) => value / length);
  }
}

/** A context's items, some of them drawn: `exemplar` takes the place of item `slot`, `query` that of the last. */
export function with_drawings(items: Float32Array, drawings: { slot: number; exemplar?: Float32Array; query?: Float32Array }): Float32Array {
  const mixed = items.slice();
  const { slot, exemplar, query } = drawings;
  if (exemplar) mixed.set(exemplar, slot * exemplar.length);
  if (query) mixed.set(query, mixed.length - query.length);
  return mixed;
}

/** The label that is right; undefined where drawings leave it open. */
export function expected(look: Look, slot: number, is_exemplar_drawn: boolean, is_query_drawn: boolean): number | undefined {
  if (is_exemplar_drawn && is_query_drawn) return look.labels[slot];
  if (is_query_drawn) return undefined;
  return is_exemplar_drawn && look.matches[slot] ? undefined : look.answer;
}

/** Soft-max: the probability that the network gives to each label. */
export function probabilities(outputs: number[]): number[] {
  const highest = Math.max(...outputs);
  const raised = outputs.map((output) => Math.exp(output - highest));
  const sum = raised.reduce((a, b) => a + b, 0);
  return raised.map((value) => value / sum);
}

/** How much the query, the last token, attends to each label in the last layer's first head. */
export function label_attention(look: Look): number[] {
  const pattern = look.patterns.at(-1)?.[0] ?? [];
  const last = (look.n_tokens - 1) * look.n_tokens;
  return look.labels.map((_, i) => pattern[last + 2 * i + 1] ?? 0);
}

/** Everything that the section needs before there is an engine. */
export async function load_han(): Promise<{ run: HanRun; pictures: Pictures; map: FeatureMap }> {
  const [run, pictures, map] = await Promise.all([
    data<HanRun>("han-small.json"),
    data<PicturesFile>("han-pictures.json"),
    data<MapFile>("han-map.json"),
  ]);
  return { run, pictures: new Pictures(pictures), map: new FeatureMap(map) };
}
