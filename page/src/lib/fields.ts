// Fields of a spec and what they mean: from the reference that the command line's users read, not written twice.

import { seed_of } from "./seeds";
import text from "../../../docs/reference/spec.md?raw";

/** One field. */
export interface Field {
  /** `task.copying.n_labels` */
  key: string;
  help: string;
}

/** Fields by table, `task.copying`, `model`, ..., in the reference's order. */
export const FIELDS: Map<string, Field[]> = parse(text);

/**
 * Below headings that name tables of a spec: Markdown tables `| field | default | meaning |`, and sentences that begin
 * with a field (`train.schedule`: ...) or list some (`world` (label vectors), ...).
 */
export function parse(markdown: string): Map<string, Field[]> {
  const all = new Map<string, Field[]>();
  let tables: string[] = [];
  const add = (name: string, help: string): void => {
    const named = tables.find((table) => name.startsWith(`${table}.`));
    const table = named ?? (tables.length === 1 ? tables[0] : undefined);
    if (!table) return;
    const key = named ? name : `${table}.${name}`;
    const list = all.get(table) ?? [];
    // What is said of a part belongs to the field that it is a part of.
    const whole = list.find((field) => key === field.key || key.startsWith(`${field.key}.`));
    if (whole) whole.help += ` ${plain(`\`${name}\`: ${help}`)}`;
    else list.push({ key, help: plain(help) });
    all.set(table, list);
  };
  for (const line of markdown.split("\n")) {
    if (line.startsWith("## ")) tables = [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
    const cells = /^\| (`[^|]+) \|(.*)\| (.*) \|$/.exec(line);
    const sentence = /^`([\w.]+)`: (.*)$/.exec(line);
    if (cells) for (const [, name = ""] of (cells[1] as string).matchAll(/`([^`]+)`/g)) add(name, cells[3] as string);
    else if (sentence) add(sentence[1] as string, sentence[2] as string);
    else if (/^`\w+` \(/.test(line)) for (const [, name = "", help = ""] of line.matchAll(/`(\w+)` \(([^)]*)\)/g)) add(name, help);
  }
  return all;
}

/** Without Markdown's marks. */
function plain(markdown: string): string {
  return markdown.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "").replace(/\\\|/g, "|");
}

/** A value of a nested object by its dotted key. */
export function value_at(spec: unknown, key: string): unknown {
  return key.split(".").reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], spec);
}

/** A value as TOML has it on one line; nothing for what is absent. */
export function to_toml(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(to_toml).join(", ")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
    return entries.length === 0 ? "{}" : `{ ${entries.map(([key, inner]) => `${/^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key)} = ${to_toml(inner)}`).join(", ")} }`;
  }
  return String(value);
}

/** Two changes of one field: the later counts. */
export function with_change(changes: string[], key: string, value: string | undefined): string[] {
  const others = changes.filter((change) => !change.startsWith(`${key}=`));
  return value === undefined ? others : [...others, `${key}=${value}`];
}

/** What a field was changed to. */
export function change_of(changes: string[], key: string): string | undefined {
  return changes.findLast((change) => change.startsWith(`${key}=`))?.slice(key.length + 1);
}

/** A word as a shell reads it. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_.,:=/@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The command that makes the same run. */
export function command(spec: string, changes: string[], arithmetic: string): string {
  const seed = seed_of(changes);
  const others = seed === undefined ? changes : changes.filter((change) => !change.startsWith("seeds."));
  const words = others.map((change) => ` -s ${quoted(change)}`).join("");
  return `precipice run ${quoted(spec)}${words}${seed ? ` --seed ${seed}` : ""}${arithmetic === "portable" ? " --arithmetic portable" : ""}`;
}

/** A value as Python writes it. */
export function to_python(value: unknown): string {
  if (value === undefined || value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(to_python).join(", ")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}: ${to_python(inner)}`).join(", ")}}`;
  }
  return String(value);
}

/** The program that makes a run: values are those of the resolved spec, which the changes led to. */
export function program(name: string, changes: string[], arithmetic: string, spec: unknown): string {
  const seed = seed_of(changes);
  const keys = changes.map((change) => change.slice(0, change.indexOf("=")));
  const others = seed === undefined ? keys : keys.filter((key) => !key.startsWith("seeds."));
  const fields = others.map((key) => `${JSON.stringify(key)}: ${to_python(value_at(spec, key))}`);
  const given = [
    JSON.stringify(name),
    ...(seed ? [`seed=${seed}`] : []),
    ...(fields.length > 0 ? [`changes={${fields.join(", ")}}`] : []),
    ...(arithmetic === "portable" ? ['arithmetic="portable"'] : []),
  ];
  return `import precipice as pp\n\nrun = pp.run(${given.join(", ")})\n`;
}
