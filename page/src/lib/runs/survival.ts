// Of many runs: the share that has not jumped, over steps.

export interface Survival {
  step: number[];
  share: number[];
}

/** A falling staircase from 1 at step 0: each jump takes its run away. Runs without a jump stay to the end. */
export function survival(t50: (number | null)[], until: number): Survival {
  const jumps = t50.filter((t): t is number => t !== null && t <= until).sort((a, b) => a - b);
  const [step, share] = [[0], [1]];
  jumps.forEach((t, i) => {
    step.push(t, t);
    share.push(1 - i / t50.length, 1 - (i + 1) / t50.length);
  });
  step.push(until);
  share.push(1 - jumps.length / t50.length);
  return { step, share };
}

/** The share at given steps: what is left just after each of them. */
export function left_at({ step, share }: Survival, steps: number[]): number[] {
  return steps.map((at) => share[step.findLastIndex((s) => s <= at)] ?? 1);
}
