// Which of the two builds of the engine this browser can run, and with which arithmetic.

import portable_url from "./wasm/engine_bg.wasm?url";
import fused_url from "./wasm/engine-fused_bg.wasm?url";

export type Arithmetic = "fused" | "portable";

/** A compiled engine and the arithmetic that it is used with. */
export interface Compiled {
  module: WebAssembly.Module;
  arithmetic: Arithmetic;
}

// (func (param v128 v128 v128) (result v128) local.get 0 local.get 1 local.get 2 f32x4.relaxed_madd)
const RELAXED = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2,
  253, 133, 2, 11,
]);

/** Whether the relaxed multiply-add exists here. Whether it rounds once is asked of the engine itself. */
export function has_relaxed(): boolean {
  return WebAssembly.validate(RELAXED);
}

let compiling: Promise<Compiled> | undefined;

async function compile(url: string): Promise<WebAssembly.Module> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the engine could not be loaded: ${answer.status} ${answer.statusText}`);
  // Some hosts name another type, which streaming refuses.
  const is_wasm = answer.headers.get("Content-Type") === "application/wasm";
  return is_wasm ? WebAssembly.compileStreaming(answer) : WebAssembly.compile(await answer.arrayBuffer());
}

/** Compiles the engine once for all workers. */
export function compiled(): Promise<Compiled> {
  const arithmetic = has_relaxed() ? "fused" : "portable";
  const url = arithmetic === "fused" ? fused_url : portable_url;
  compiling ??= compile(url).then((module) => ({ module, arithmetic }));
  // A page that was offline for a moment tries again.
  compiling.catch(() => (compiling = undefined));
  return compiling;
}
