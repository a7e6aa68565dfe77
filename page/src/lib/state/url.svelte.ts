// The whole state of the page in its address: #section?key=value. `hide` and `theme` are for pages that embed it.

export const SECTIONS = ["story", "cliff", "characters", "phases", "descent", "lab", "runs"] as const;
export type Section = (typeof SECTIONS)[number];

/** What an address says. */
export interface Address {
  section: Section;
  values: Record<string, string>;
}

/** Reads "#lab?spec=copying&seed=3"; whatever is not known is the story. */
export function parse(hash: string): Address {
  const [name = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const section = (SECTIONS as readonly string[]).includes(name) ? (name as Section) : "story";
  return { section, values: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a state; empty values are left out. */
export function format({ section, values }: Address): string {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
  return `#${section}${query ? `?${query}` : ""}`;
}

class Url {
  address = $state.raw<Address>(parse(location.hash));
  section = $derived(this.address.section);

  constructor() {
    addEventListener("hashchange", () => (this.address = parse(location.hash)));
  }

  get(key: string, otherwise = ""): string {
    return this.address.values[key] ?? otherwise;
  }

  /** Sections and parts that are not shown. */
  hides = (name: string): boolean => this.get("hide").split(",").includes(name);

  go(section: Section): void {
    const keep = Object.fromEntries(["hide", "theme"].map((key) => [key, this.get(key)]));
    this.replace({ section, values: keep }, true);
  }

  /** Changes values of the present section; not a new entry of the history. */
  set(values: Record<string, string>): void {
    this.replace({ section: this.section, values: { ...this.address.values, ...values } }, false);
  }

  private replace(address: Address, is_entry: boolean): void {
    const hash = format(address);
    if (hash === location.hash) return;
    if (is_entry) history.pushState(null, "", hash);
    else history.replaceState(null, "", hash);
    this.address = parse(hash);
  }
}

export const url = new Url();
