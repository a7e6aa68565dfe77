import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { drawn, placed } from "../src/lib/drawing";
import type { Look } from "../src/lib/engine/protocol";
import { expected, FeatureMap, type HanRun, label_attention, type MapFile, Pictures, type PicturesFile, probabilities, with_drawings } from "../src/lib/han";
import { picture_of, PIXELS, SIDE } from "../src/lib/packed";

const file = <T>(name: string): T => JSON.parse(readFileSync(new URL(`../public/data/${name}`, import.meta.url), "utf8"));
const map = new FeatureMap(file<MapFile>("han-map.json"));
const pictures = new Pictures(file<PicturesFile>("han-pictures.json"));
const run = file<HanRun>("han-small.json");

test("four pixels stand in a byte, the first lowest", () => {
  const packed = new Uint8Array((2 * PIXELS) / 4);
  packed[PIXELS / 4] = 0b11_10_01_00;
  expect([...picture_of(packed, 1).slice(0, 5)].map((share) => Math.round(3 * share))).toEqual([0, 1, 2, 3, 0]);
  expect(Math.max(...picture_of(packed, 0))).toBe(0);
});

test("a drawing is centred and as large as type, wherever and however large it was drawn", () => {
  const cross = (x: number, y: number, size: number): [number, number][][] => [
    [[x, y + size / 2], [x + size, y + size / 2]],
    [[x + size / 2, y], [x + size / 2, y + size]],
  ];
  const picture = drawn(cross(0.1, 0.2, 0.3));
  expect(drawn(cross(400, 10, 77))).toEqual(picture);
  const rows = Array.from({ length: SIDE }, (_, i) => picture.slice(i * SIDE, (i + 1) * SIDE).some((share) => share > 0));
  expect([rows.indexOf(true), rows.lastIndexOf(true)]).toEqual([3, 20]);
  expect(picture[12 * SIDE + 12]).toBeCloseTo(1);
  expect(picture[5 * SIDE + 5]).toBe(0);
});

test("a dot is no drawing", () => {
  expect(placed([[[3, 3]]])).toEqual([]);
  expect(Math.max(...drawn([[[3, 3]], []]))).toBe(0);
});

test("the map finds a character in other typefaces far more often than by chance", () => {
  const features = pictures.choices.map((row) => row.map((id) => map.features(pictures.of(id) as Float32Array)));
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
  expect(dot(features[0]?.[0] as Float32Array, features[0]?.[0] as Float32Array)).toBeCloseTo(1, 5);
  let right = 0;
  features.forEach((row, k) => {
    const others = [k, k + 1, k + 2, k + 3].map((at) => features[at % features.length]?.[1] as Float32Array);
    const similar = others.map((other) => dot(row[0] as Float32Array, other));
    right += Number(similar.indexOf(Math.max(...similar)) === 0);
  });
  expect(right / features.length).toBeGreaterThan(0.75);
});

test("every stored context has its pictures, and training made the query look", () => {
  const before = run.contexts.map((looks) => looks["0"] as Look);
  const after = run.contexts.map((looks) => looks["3000"] as Look);
  for (const look of after) for (const id of look.item_ids) expect(pictures.of(id)).toBeDefined();
  const share = (looks: Look[]): number => looks.reduce((sum, look) => sum + (label_attention(look)[look.matches.indexOf(true)] ?? 0), 0) / looks.length;
  expect(share(before)).toBeLessThan(0.3);
  expect(share(after)).toBeGreaterThan(0.6);
  expect(probabilities(after[0]?.outputs ?? []).reduce((a, b) => a + b, 0)).toBeCloseTo(1);
});

test("drawings take the place of items, and decide what is right", () => {
  const items = new Float32Array(10).fill(1);
  const [exemplar, query] = [new Float32Array([2, 2]), new Float32Array([3, 3])];
  expect([...with_drawings(items, { slot: 1, exemplar, query })]).toEqual([1, 1, 2, 2, 1, 1, 1, 1, 3, 3]);
  expect(items[2]).toBe(1);
  const look = { labels: [5, 6, 7, 8], matches: [false, true, false, false], answer: 6 } as Look;
  expect(expected(look, 2, true, true)).toBe(7);
  expect(expected(look, 2, true, false)).toBe(6);
  expect(expected(look, 1, true, false)).toBeUndefined();
  expect(expected(look, 2, false, true)).toBeUndefined();
  expect(expected(look, 2, false, false)).toBe(6);
});
