// Light or dark, as the system has it until the reader chooses, and the colors that canvases draw with.

export type Choice = "system" | "light" | "dark";

const system = window.matchMedia("(prefers-color-scheme: dark)");
const NAMES = ["page", "panel", "ink", "muted", "grid", "masked", "blue", "vermillion", "green", "purple", "orange", "sky", "brown", "accent"] as const;

/** Colors of the page by name. */
export type Colors = Record<(typeof NAMES)[number], string>;

class Theme {
  choice = $state<Choice>("system");
  private system_is_dark = $state(system.matches);
  is_dark = $derived(this.choice === "system" ? this.system_is_dark : this.choice === "dark");
  colors = $derived.by(() => colors(this.is_dark));

  constructor() {
    system.addEventListener("change", () => (this.system_is_dark = system.matches));
    const stored = localStorage.getItem("theme");
    if (stored === "light" || stored === "dark") this.choice = stored;
    // The page's colors follow whether or not a canvas asks for them.
    $effect.root(() => {
      $effect(() => void this.colors);
    });
  }

  choose(choice: Choice): void {
    this.choice = choice;
    if (choice === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", choice);
  }
}

function colors(is_dark: boolean): Colors {
  document.documentElement.dataset.theme = is_dark ? "dark" : "light";
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])) as Colors;
}

export const theme = new Theme();
