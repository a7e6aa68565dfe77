// Runs whose bits are compared: whole, or the first steps of long ones.
export const RUNS = [
  { spec: "copying-small", changes: [] },
  { spec: "copying", changes: ["train.steps=300"] },
  { spec: "regression", changes: ["train.steps=300", "eval.sequences=4000"] },
  { spec: "minimal-head", changes: ["train.steps=300"] },
  { spec: "relation-order", changes: ["train.steps=100"] },
];
