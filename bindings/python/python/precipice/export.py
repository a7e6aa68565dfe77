"""To what others use: TransformerLens, Weights & Biases, TensorBoard, where they are installed.

Tables need nothing: `polars.DataFrame(run.rows)`, `pandas.DataFrame(run.rows)`, `pyarrow.table(run.rows)`, and DuckDB
reads a dict of columns by its name.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from precipice.errors import Error
from precipice.run import Run

__all__ = ["to_hooked_transformer", "to_tensorboard", "to_wandb"]


def _needed(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise Error(f"{package} is not installed; `pip install {package}` brings it") from e


def to_hooked_transformer(run: Run, step: int | None = None) -> Any:
    """The network as a `transformer_lens.HookedTransformer`, here or at a step, with the same logits.

    Items are vectors, not words, so the model is given the residual stream that the network begins with:

        look = run.look(n=16, residuals=True)
        model(torch.tensor(look.residuals[0]), start_at_layer=0)[:, -1]     # equals look.outputs

    Its vocabulary is the labels. Needs transformer-lens before version 4, which has no HookedTransformer. Raises Error
    where the network has what that class has not: a readout with hidden layers, linear attention, values for answers,
    clamped heads, a clipped residual stream, a minimal head.
    """
    lens = _needed("transformer_lens", "transformer-lens<4")
    torch = _needed("torch", "torch")
    try:
        make, configure = lens.HookedTransformer, lens.HookedTransformerConfig
    except (AttributeError, ImportError) as e:
        raise Error("transformer-lens 4 has no HookedTransformer; `pip install 'transformer-lens<4'`") from e
    spec, weights = run.spec.to_dict(), run.weights(step)
    facts, model = run.spec.facts, spec["model"]
    _check_representable(spec, facts, weights)
    n_layers, (n_heads, d_model, d_head) = model["n_layers"], weights["blocks.0.attn.W_Q"].shape
    d_mlp, labels = model["d_mlp"], weights["embed.labels"]
    has_norm = "ln_final.weight" in weights
    config = configure(
        n_layers=n_layers,
        d_model=d_model,
        n_ctx=2 * facts["geometry"]["labels"] + 1,
        d_head=d_head,
        n_heads=n_heads,
        d_mlp=d_mlp or None,
        act_fn={"relu": "relu", "gelu": "gelu_new"}[model["activation"]] if d_mlp else None,
        d_vocab=len(labels),
        attn_only=not d_mlp,
        normalization_type="LN" if has_norm else None,
        eps=1e-5,
        use_attn_scale=model["scale_scores"],
        attention_dir="causal",
        device="cpu",
        init_weights=False,
    )
    hooked = make(config)
    state = {name: torch.zeros_like(tensor) for name, tensor in hooked.state_dict().items()}
    for name in state:
        if name.endswith("attn.mask") or name.endswith("attn.IGNORE"):
            state[name] = hooked.state_dict()[name]

    def put(name: str, values: Any) -> None:
        state[name] = torch.tensor(np.ascontiguousarray(values))

    # Labels are read as they stand in the stream; items are not words.
    embed, d_pos = np.zeros((len(labels), d_model), np.float32), run.spec["model.d_pos"]
    embed[:, d_pos : d_pos + labels.shape[1]] = labels
    put("embed.W_E", embed)
    readout = weights["readout.0.weight"]
    unembed = np.zeros((d_model, len(labels)), np.float32)
    unembed[d_model - readout.shape[1] :] = readout.T
    put("unembed.W_U", unembed)
    for layer in range(n_layers):
        ours = f"blocks.{0 if model['tied_layers'] else layer}"
        theirs = f"blocks.{layer}"
        for name in ("W_Q", "W_K", "W_V"):
            put(f"{theirs}.attn.{name}", weights[f"{ours}.attn.{name}"])
        out = weights.get(f"{ours}.attn.W_O")
        if out is None:
            # Heads are written side by side.
            out = np.zeros((n_heads, d_head, d_model), np.float32)
            for head in range(n_heads):
                out[head, :, head * d_head : (head + 1) * d_head] = np.eye(d_head)
        put(f"{theirs}.attn.W_O", out * np.float32(model["damping"]))
        if d_mlp:
            for name in ("W_in", "b_in", "W_out", "b_out"):
                put(f"{theirs}.mlp.{name}", weights[f"{ours}.mlp.{name}"])
        for norm in ("ln1", "ln2"):
            if f"{ours}.{norm}.weight" in weights:
                put(f"{theirs}.{norm}.w", weights[f"{ours}.{norm}.weight"])
                put(f"{theirs}.{norm}.b", weights[f"{ours}.{norm}.bias"])
    if has_norm:
        put("ln_final.w", weights["ln_final.weight"])
        put("ln_final.b", weights["ln_final.bias"])
    hooked.load_state_dict(state)
    return hooked


def _check_representable(spec: dict[str, Any], facts: dict[str, Any], weights: dict[str, Any]) -> None:
    model = spec["model"]
    reasons = {
        "a minimal head": model.get("minimal") is not None,
        "values for answers": "labels" not in facts["geometry"],
        "linear attention": "linear" in model.get("attention", []),
        "clamped heads": bool(model.get("clamps")),
        "a clipped residual stream": model.get("token_clip") is not None,
        "a readout with hidden layers": "readout.1.weight" in weights,
    }
    found = [reason for reason, is_there in reasons.items() if is_there]
    if found:
        raise Error(f"this network has {' and '.join(found)}, for which HookedTransformer has no place")


def to_wandb(run: Run, **options: Any) -> Any:
    """Logs every row to Weights & Biases, with the spec as its config and the outcome in its summary. Returns the finished
    `wandb` run. `options` go to `wandb.init`: project, mode="offline", ...

        pp.to_wandb(run, project="induction", mode="offline")
    """
    wandb = _needed("wandb", "wandb")
    options = {"name": f"{run.name}-{run.spec.hash[:8]}", "config": run.spec.to_dict(), **options}
    logged = wandb.init(**options)
    rows = run.rows
    for i, step in enumerate(rows["step"].tolist()):
        values = {name: column[i].item() for name, column in rows.items() if name != "step"}
        logged.log({name: value for name, value in values.items() if value == value}, step=step, commit=True)
    logged.summary.update({"outcome": run.outcome, "t50": run.t50, "digest": run.digest, "spec_hash": run.spec.hash})
    logged.finish()
    return logged


def to_tensorboard(run: Run, directory: str | os.PathLike[str]) -> None:
    """Writes every column as a scalar of TensorBoard, and the spec as text. Needs tensorboard.

        pp.to_tensorboard(run, "logs"); then `tensorboard --logdir logs`
    """
    writers = _needed("tensorboard.summary", "tensorboard")
    writer = writers.Writer(os.fspath(directory))
    try:
        for name, column in run.rows.items():
            if name == "step":
                continue
            for step, value in zip(run.rows["step"].tolist(), column.tolist()):
                if value == value:
                    writer.add_scalar(name, value, step)
    finally:
        writer.close()
