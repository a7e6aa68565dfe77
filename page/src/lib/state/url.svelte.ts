// The whole state of the page in its address: #section?key=value. `hide` and `theme` are for pages that embed it.

import { type Address, format, parse, type Section } from "./address";

export { type Section, SECTIONS } from "./address";

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
