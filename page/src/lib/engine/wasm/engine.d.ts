/* tslint:disable */
/* eslint-disable */

/**
 * One run in a page: made from a spec, advanced some steps at a time, looked into, and taken home.
 */
export class Live {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * What the run is: `{name, hash, facts, layers, heads, columns}`, as JSON.
     */
    about(): string;
    /**
     * Makes up to so many steps: `row` where one was measured, `checkpoint` where one was kept, `paused`, or how the
     * run ended (`finished`, `diverged`).
     */
    advance(n_steps: number): string;
    /**
     * The run directory as a zip file. With `started`, `ended` (RFC 3339) and `seconds` of a run that has ended its
     * manifest is written too, and `precipice verify` accepts it; else it is one to be resumed.
     *
     * # Errors
     * If its checkpoints took more room than a page keeps.
     */
    archive(started: string, ended: string, seconds: number, machine: string): Uint8Array;
    /**
     * BLAKE3 of the parameters' bits, as `precipice run` prints it.
     */
    digest(): string;
    /**
     * Items of a context of an evaluation set, `[N + 1, D]`.
     */
    items(set: number, sequence: number): Float32Array;
    /**
     * Steps that can be looked at, rising; the last is where the run stands.
     */
    kept_steps(): Uint32Array;
    /**
     * Loss of the last training batch; NaN before the first.
     */
    last_loss(): number;
    /**
     * What the network of a step (the nearest kept one at or before it) makes of a context of an evaluation set, as
     * JSON.
     *
     * # Errors
     * If a checkpoint cannot be read, which would be a mistake of this program.
     */
    look(step: number, set: number, sequence: number): string;
    /**
     * The same with items of the page's own, `[N + 1, D]`.
     *
     * # Errors
     * If they are not as many numbers as the context has.
     */
    look_with(step: number, set: number, sequence: number, items: Float32Array | number[]): string;
    /**
     * A run at step 0. `arithmetic` is `fused` or `portable`, which decides bits; `changes` is a JSON list of
     * `key=value`; `items` are the bytes of the file of items that the spec names, where it names one.
     *
     * # Errors
     * As the command line says them.
     */
    constructor(name_or_toml: string, changes: string, arithmetic: string, items?: Uint8Array | number[] | null);
    /**
     * The outcome and the jump, as far as they are known: `{outcome, transition}`, as JSON.
     */
    outcome(): string;
    /**
     * Parameters and moments of a stored checkpoint take the place of the run's; `name` is that of its file.
     *
     * # Errors
     * If it is damaged, or that of another spec.
     */
    restore(name: string, bytes: Uint8Array | number[]): void;
    /**
     * The last row, as a line of the log has it, without its check.
     */
    row(): string | undefined;
    /**
     * Updates done.
     */
    step(): number;
    /**
     * Accuracy on the probes' contexts with a head silenced, at the step where the run stands; none where nothing has
     * a label, or there is no such head.
     */
    without_head(layer: number, head: number): number | undefined;
}

/**
 * A ball that is dropped at (alpha, xi): beta, and the line of descent in the plane, flat `[alpha, xi]`.
 *
 * # Errors
 * If there is no such context.
 */
export function cliff_ball(n: number, l: number, label_strength: number, alpha: number, xi: number, length: number): Float64Array;

/**
 * The flow from a point (beta, alpha, xi), until it has learned or for long: flat `[t, beta, alpha, xi, loss, p]` for
 * each point.
 *
 * # Errors
 * If there is no such context, or the point is out of the theory's reach.
 */
export function cliff_flow(n: number, l: number, label_strength: number, start: Float64Array | number[]): Float64Array;

/**
 * What the landscape has: `{saddle, t50, edge, separatrix, plateau}`, each (beta, alpha, xi) with its loss, or null.
 *
 * # Errors
 * If there is no such context.
 */
export function cliff_marks(n: number, l: number, label_strength: number): string;

/**
 * What the formula says of a point: `{loss, p_correct, y, z, z_other, u, u_prime, gradient}`, and beta where only
 * alpha is given (beta NaN).
 *
 * # Errors
 * If there is no such context.
 */
export function cliff_point(n: number, l: number, label_strength: number, beta: number, alpha: number, xi: number): string;

/**
 * Loss in nats over alpha (rows) and xi (columns, fastest), beta as it is on the flow from the origin: `[n, n]`.
 *
 * # Errors
 * If there is no such context or range.
 */
export function cliff_surface(n: number, l: number, label_strength: number, alpha: Float64Array | number[], xi: Float64Array | number[], points: number): Float64Array;

/**
 * A built-in experiment by its name, or the text of a spec, with `key=value` changes (a JSON list) in order. As JSON:
 * `{name, hash, toml, spec, facts, bytes, checkpoints}`.
 *
 * # Errors
 * As the command line says them: which field, its value, what was expected.
 */
export function resolve(name_or_toml: string, changes: string): string;

/**
 * Whether a multiply-add rounds once, as it was computed here: then the arithmetic `fused` has the bits that processors
 * have. `a` is 1 + 2^-12, not known to the compiler.
 */
export function rounds_once(a: number): boolean;

/**
 * The built-in experiments, as JSON: `[{name, description, family, steps}]`.
 */
export function specs(): string;

/**
 * To be called once, after loading: a panic is then thrown with its words. The instance is spoiled by it.
 */
export function start(): void;

/**
 * Version of the program.
 */
export function version(): string;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_live_free: (a: number, b: number) => void;
    readonly cliff_ball: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number, number];
    readonly cliff_flow: (a: number, b: number, c: number, d: number, e: number) => [number, number, number, number];
    readonly cliff_marks: (a: number, b: number, c: number) => [number, number, number, number];
    readonly cliff_point: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number, number];
    readonly cliff_surface: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => [number, number, number, number];
    readonly live_about: (a: number) => [number, number];
    readonly live_advance: (a: number, b: number) => [number, number];
    readonly live_archive: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => [number, number, number, number];
    readonly live_digest: (a: number) => [number, number];
    readonly live_items: (a: number, b: number, c: number) => [number, number];
    readonly live_kept_steps: (a: number) => [number, number];
    readonly live_last_loss: (a: number) => number;
    readonly live_look: (a: number, b: number, c: number, d: number) => [number, number, number, number];
    readonly live_look_with: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number, number];
    readonly live_new: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => [number, number, number];
    readonly live_outcome: (a: number) => [number, number];
    readonly live_restore: (a: number, b: number, c: number, d: number, e: number) => [number, number];
    readonly live_row: (a: number) => [number, number];
    readonly live_step: (a: number) => number;
    readonly live_without_head: (a: number, b: number, c: number) => [number, number];
    readonly resolve: (a: number, b: number, c: number, d: number) => [number, number, number, number];
    readonly rounds_once: (a: number) => number;
    readonly specs: () => [number, number];
    readonly start: () => void;
    readonly version: () => [number, number];
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __externref_table_dealloc: (a: number) => void;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_realloc: (a: number, b: number, c: number, d: number) => number;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
