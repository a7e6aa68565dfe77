// Numbers and colors as people read them.

/** 12,345 */
export function count(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** Three digits that count: .998, 3.47, 98.7; no sign of a zero. */
export function number(x: number | null | undefined, digits = 3): string {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "-∞";
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return x.toExponential(digits - 1);
  const text = size >= 100 ? x.toFixed(1) : size >= 1 ? x.toFixed(digits - 1) : x.toFixed(digits);
  return text.replace(/^(-?)0\./, "$1.").replace(/^-(\.?0*)$/, "$1");
}

/** Of [0, 1]: from paper to ink over blue, so that strong attention is dark on a light page and bright on a dark one. */
export function shade(share: number, is_dark: boolean): string {
  const t = Math.min(1, Math.max(0, share)) ** 0.7;
  const [from, to] = is_dark ? [[29, 33, 38], [122, 200, 250]] : [[255, 255, 255], [0, 68, 120]];
  const mix = from.map((c, i) => Math.round(c + ((to[i] ?? 0) - c) * t));
  return `rgb(${mix.join(" ")})`;
}

const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121],
  [110, 206, 88], [181, 222, 43], [253, 231, 37],
];

/** Of [0, 1]: viridis, as red, green, blue from 0 to 255. */
export function viridis(share: number): [number, number, number] {
  const t = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const i = Math.min(VIRIDIS.length - 2, Math.floor(t));
  const [a, b] = [VIRIDIS[i] as number[], VIRIDIS[i + 1] as number[]];
  return [0, 1, 2].map((c) => Math.round((a[c] as number) + ((b[c] as number) - (a[c] as number)) * (t - i))) as [number, number, number];
}

/** Black or white, whichever is read better on a color. */
export function ink_on(color: [number, number, number]): "#000" | "#fff" {
  const [r, g, b] = color.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) ? "#000" : "#fff";
}
