// Curves that were measured at different steps, over one axis.

export interface Measured {
  x: number[];
  y: (number | null)[];
}

/** All their x, rising, and every curve's values there; null where it has none. */
export function together(curves: Measured[]): { x: number[]; values: (number | null)[][] } {
  const x = [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
  const values = curves.map((curve) => {
    const known = new Map(curve.x.map((at, i) => [at, curve.y[i] ?? null]));
    return x.map((at) => known.get(at) ?? null);
  });
  return { x, values };
}

/** The middle one, or the mean of the middle two; NaN of nothing. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) return NaN;
  // Infinity is a value: what has not happened.
  return low === high ? low : (low + high) / 2;
}
