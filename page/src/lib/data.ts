// The page's own data: stored runs and sweeps, asked for once.

const asked = new Map<string, Promise<unknown>>();

async function fetched(name: string): Promise<Response> {
  const answer = await fetch(`./data/${name}`);
  if (!answer.ok) throw new Error(`the page's file data/${name} could not be read: ${answer.status} ${answer.statusText}`);
  return answer;
}

/** A file of page/public/data as what its JSON says. */
export function data<T>(name: string): Promise<T> {
  let answer = asked.get(name);
  if (!answer) {
    answer = fetched(name).then((response) => response.json());
    asked.set(name, answer);
    // A page that was offline for a moment tries again.
    answer.catch(() => asked.delete(name));
  }
  return answer as Promise<T>;
}

/** The same as bytes. */
export async function data_bytes(name: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetched(name)).arrayBuffer());
}
