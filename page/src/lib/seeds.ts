// Seeds as changes to a spec: the page has one number for all four.

const NAMES = ["world", "init", "data", "eval"] as const;
const is_seed = (change: string): boolean => /^\s*seeds\./.test(change);

/** The changes with all four seeds set to one number; seeds that stood there are dropped. */
export function with_seed(changes: string[], seed: number): string[] {
  return [...changes.filter((change) => !is_seed(change)), ...NAMES.map((name) => `seeds.${name}=${seed}`)];
}

/** The number that all four seeds have; 0 where nothing is said, undefined where they differ. */
export function seed_of(changes: string[]): number | undefined {
  const of = (name: string): number => {
    const said = changes.findLast((change) => change.replace(/\s/g, "").startsWith(`seeds.${name}=`));
    return said === undefined ? 0 : Number(said.split("=")[1]);
  };
  const [first = 0, ...others] = NAMES.map(of);
  return others.every((seed) => seed === first) ? first : undefined;
}
