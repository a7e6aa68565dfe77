// Seeds as changes to a spec: the page has one number for all that a button changes.

export const SEEDS = ["world", "init", "data", "eval"] as const;
export type Seed = (typeof SEEDS)[number];

/** The changes with these seeds set to one number; what stood there for them is dropped. */
export function with_seed(changes: string[], seed: number, names: readonly Seed[] = SEEDS): string[] {
  const is_one = (change: string): boolean => names.some((name) => change.replace(/\s/g, "").startsWith(`seeds.${name}=`));
  return [...changes.filter((change) => !is_one(change)), ...names.map((name) => `seeds.${name}=${seed}`)];
}

/** The number that these seeds have; 0 where nothing is said, undefined where they differ. */
export function seed_of(changes: string[], names: readonly Seed[] = SEEDS): number | undefined {
  const of = (name: Seed): number => {
    const said = changes.findLast((change) => change.replace(/\s/g, "").startsWith(`seeds.${name}=`));
    return said === undefined ? 0 : Number(said.split("=")[1]);
  };
  const [first = 0, ...others] = names.map(of);
  return others.every((seed) => seed === first) ? first : undefined;
}
