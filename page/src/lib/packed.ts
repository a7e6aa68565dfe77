// Bytes that stand in JSON as text, and pictures of four gray levels in two bits a pixel.

/** Pixels of a picture. */
export const SIDE = 24;
export const PIXELS = SIDE * SIDE;
/** A picture: SIDE x SIDE from 0 (paper) to 1 (ink), row by row. */
export type Picture = Float32Array;

/** Bytes of base64. */
export function bytes_of(text: string): Uint8Array {
  const binary = atob(text);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** One of many packed pictures: four pixels a byte, the first in its lowest bits. */
export function picture_of(packed: Uint8Array, index: number): Picture {
  const from = (index * PIXELS) / 4;
  return Float32Array.from({ length: PIXELS }, (_, i) => (((packed[from + (i >> 2)] ?? 0) >> (2 * (i & 3))) & 3) / 3);
}
