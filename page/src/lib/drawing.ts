// From strokes to a picture like those of the bank: centred, of their size and pen, in four gray levels.

import { type Picture, PIXELS, SIDE } from "./packed";

export type Point = [number, number];
export type Stroke = Point[];

/** The longer side of a drawn character in the bank's pictures, and the width of its pen, in pixels. */
const SIZE = 18;
const PEN = 1.6;
/** Points a pixel side at which ink is looked for. */
const SAMPLES = 4;

/** Strokes moved and scaled so that they fill the middle of SIDE x SIDE; nothing without a stroke of some length. */
export function placed(strokes: Stroke[]): Stroke[] {
  const points = strokes.flat();
  if (points.length === 0) return [];
  const range = (axis: 0 | 1): [number, number] => {
    const values = points.map((point) => point[axis]);
    return [Math.min(...values), Math.max(...values)];
  };
  const [[left, right], [top, bottom]] = [range(0), range(1)];
  const longer = Math.max(right - left, bottom - top);
  if (!(longer > 0)) return [];
  // The pen's width belongs to the size.
  const scale = (SIZE - PEN) / longer;
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  return strokes.map((stroke) => stroke.map(([a, b]) => [SIDE / 2 + (a - x) * scale, SIDE / 2 + (b - y) * scale]));
}

/** Square of the distance of a point from a line between two others. */
function distance2(x: number, y: number, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length2 = dx * dx + dy * dy;
  const along = length2 > 0 ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length2)) : 0;
  return (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2;
}

/** The picture of strokes in any units; empty paper without strokes. */
export function drawn(strokes: Stroke[]): Picture {
  const side = SIDE * SAMPLES;
  const ink = new Uint8Array(side * side);
  const reach = PEN / 2;
  for (const stroke of placed(strokes)) {
    stroke.forEach((to, k) => {
      const from = stroke[k - 1] ?? to;
      const bound = (value: number): number => Math.min(side - 1, Math.max(0, Math.floor(value * SAMPLES)));
      const [x0, x1] = [bound(Math.min(from[0], to[0]) - reach), bound(Math.max(from[0], to[0]) + reach)];
      const [y0, y1] = [bound(Math.min(from[1], to[1]) - reach), bound(Math.max(from[1], to[1]) + reach)];
      for (let i = y0; i <= y1; i++) {
        for (let j = x0; j <= x1; j++) {
          const [x, y] = [(j + 0.5) / SAMPLES, (i + 0.5) / SAMPLES];
          if (distance2(x, y, from, to) <= reach * reach) ink[i * side + j] = 1;
        }
      }
    });
  }
  const picture = new Float32Array(PIXELS);
  ink.forEach((is_ink, at) => {
    const [row, column] = [Math.floor(at / side / SAMPLES), Math.floor((at % side) / SAMPLES)];
    picture[row * SIDE + column] = (picture[row * SIDE + column] ?? 0) + is_ink / SAMPLES ** 2;
  });
  return picture.map((share) => Math.round(share * 3) / 3);
}
