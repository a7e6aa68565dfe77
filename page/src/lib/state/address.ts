// What an address says: #section?key=value.

export const SECTIONS = ["story", "cliff", "characters", "phases", "descent", "lab", "runs"] as const;
export type Section = (typeof SECTIONS)[number];

export interface Address {
  section: Section;
  values: Record<string, string>;
}

/** Reads "#lab?spec=copying&seed=3"; whatever is not known is the story. */
export function parse(hash: string): Address {
  const text = hash.replace(/^#/, "");
  const at = text.indexOf("?");
  const [name, query] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  const section = (SECTIONS as readonly string[]).includes(name) ? (name as Section) : "story";
  return { section, values: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a state; empty values are left out. */
export function format({ section, values }: Address): string {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
  return `#${section}${query ? `?${query}` : ""}`;
}

/** A list of texts in JSON; nothing where it is none. */
export function list_of(text: string): string[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((one) => typeof one === "string") ? value : [];
  } catch {
    return [];
  }
}
