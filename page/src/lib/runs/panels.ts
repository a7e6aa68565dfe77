// Which columns of a run are drawn together.

export interface Panel {
  title: string;
  columns: string[];
  /** Columns of predictors that need no training, drawn dashed. */
  predictors: string[];
  low?: number;
  high?: number;
}

const PREDICTORS = /(^|_)(nearest_neighbor|zero|average|gd|gd_plus_plus|ridge|pool|copy|reverse|counting|understood)_(loss|accuracy)$/;
const ORDER = ["beta", "alpha", "alpha_labels", "beta_2", "xi"];
const ATTENTION = ["ila1", "tila2", "tla2", "own_value_attention"];

/** The panels of a run whose rows have these columns. */
export function panels(names: string[]): Panel[] {
  const split = (title: string, all: string[], range: { low?: number; high?: number } = {}): Panel => ({
    title, columns: all.filter((name) => !PREDICTORS.test(name)), predictors: all.filter((name) => PREDICTORS.test(name)), ...range,
  });
  const accuracy = names.filter((name) => /(^|_)accuracy$/.test(name) && !/context_(label|restricted)_accuracy$/.test(name));
  const loss = names.filter((name) => /(^|_)loss$/.test(name) && !/^(measured|predicted|train)_/.test(name));
  const among = (wanted: string[]): string[] => wanted.filter((name) => names.includes(name));
  return [
    split("Share of right answers", accuracy, { low: 0, high: 1 }),
    split("Loss", loss, { low: 0 }),
    split("Nearness to gradient descent", names.filter((name) => name === "gd_share" || /^gd_sensitivity_cosine$/.test(name))),
    split("Attention", among(ATTENTION), { low: 0, high: 1 }),
    split("Order parameters", among(ORDER)),
  ].filter((panel) => panel.columns.length > 0);
}

/** Layers whose interactions were measured. */
export const interaction_layers = (names: string[]): number[] =>
  [0, 1, 2, 3].filter((layer) => names.includes(`interaction_${layer}_content_content_contrast`));

/** The column that tells most: accuracy, share of gradient descent, or whatever comes first. */
export const main_column = (names: string[]): string => ["accuracy", "gd_share", "loss"].find((name) => names.includes(name)) ?? names[0] ?? "loss";
