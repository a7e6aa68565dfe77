// Whether a server with runs stands behind the page. The story does not wait for the answer.

export interface Config {
  serve: boolean;
  dir?: string;
  version: string;
}

export const config = $state<Config>({ serve: false, version: "" });

fetch("./config.json")
  .then((answer) => (answer.ok ? answer.json() : {}))
  .then((said: Partial<Config>) => Object.assign(config, said))
  .catch(() => {});
