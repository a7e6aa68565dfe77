// What a chart of curves is given.

/** A curve. */
export interface Series {
  label: string;
  /** Of the chart's x. */
  values: (number | null)[];
  color: string;
  width?: number;
  dash?: number[];
  faint?: boolean;
}

/** A value that means something. */
export interface Reference {
  value: number;
  label: string;
}
