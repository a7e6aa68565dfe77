#!/usr/bin/env python3
"""Golden reference values for a trainer of small attention networks.

Regenerate with

    pip install torch numpy safetensors        # CPU is enough
    python3 golden.py OUT_DIR

which writes OUT_DIR/<case>.safetensors for every case in CASES, checks each
file (see `check`) and prints one report per case. Everything is computed in
float64. Inputs and initial parameters are drawn from numpy's frozen RandomState
and rounded to float32-representable values, so that they are the same bits in
every version and a float32 implementation starts from the same numbers. The
computed values may differ in the last bits between versions of torch.

A file holds (S sequences, N exemplars, T = 2N + 1 tokens, H heads, L labels,
D content width; float64 unless said otherwise):

    metadata "config"            the case as JSON: task, model, train
    label_table [L, D]           fixed label vectors, equal to init.embed.labels
    items [10, S, N + 1, D]      ten batches; item N is the query
    label_ids int32 [10, S, N]   distinct within a sequence
    offsets int32 [10, S]        position index of the first token
    answers int32 [10, S]        label of the item that the query copies
    init.<name>, final.<name>    parameters before and after the ten updates
    loss []                      mean cross-entropy, batch 0, initial parameters
    logits [S, L]                the same
    pattern.<layer> [S, H, T, T] the same; [.., query_pos, key_pos]
    grad.<name>                  the same, before clipping; trained tensors only
    losses [10]                  loss on batch s just before update s

Conventions: vectors are rows, `a @ W_Q[h]`; `readout.*.weight` is [out, in];
without W_O the heads' outputs are concatenated in order. Decay applies to every
trained tensor, biases and gains included: SGD multiplies by (1 - decay), Adam by
(1 - decay * learning rate of this step). `embed.labels` is not trained.
"""

import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.numpy import save_file

N_BATCHES = 10

SGD = {"kind": "sgd", "momentum": 0.0, "decay": 0.0}
TEN_STEPS = {"steps": N_BATCHES, "clip_norm": None, "warmup_steps": 0, "cosine": False,
             "final_fraction": 1.0}
PAGE_TASK = {"n_exemplars": 4, "n_labels": 12, "d_item": 8}
PAGE_MODEL = {
    "positions": "one_hot", "n_positions": 13, "d_pos": 13, "d_buffer": 5,
    "n_layers": 2, "n_heads": 1, "d_head": 26, "scale_scores": False,
    "output_projection": False, "layer_norm": False, "mlp": None,
    "readout": {"kind": "linear"},
}

CASES = {
    # The plainest network: two bare attention layers and soft-max regression.
    "page-linear": {
        "seed": 1, "attention_gain": 1.5, "task": PAGE_TASK, "model": PAGE_MODEL,
        "train": {"batch_size": 6, **TEN_STEPS,
                  "optimizer": {**SGD, "learning_rate": 0.3, "decay": 1e-4}},
    },
    # The same with the deep readout of scalar biases, and momentum.
    "page-mlp": {
        "seed": 2, "attention_gain": 1.25, "task": PAGE_TASK,
        "model": {**PAGE_MODEL, "d_buffer": 3, "d_head": 24,
                  "readout": {"kind": "mlp", "n_hidden": 3, "width": 16}},
        "train": {"batch_size": 6, **TEN_STEPS,
                  "optimizer": {**SGD, "learning_rate": 0.05, "momentum": 0.9, "decay": 1e-4}},
    },
    # Every option at once.
    "everything": {
        "seed": 3, "attention_gain": 1.0,
        "task": {"n_exemplars": 4, "n_labels": 10, "d_item": 5},
        "model": {
            "positions": "learned", "n_positions": 15, "d_pos": 7, "d_buffer": 2,
            "n_layers": 3, "n_heads": 2, "d_head": 6, "scale_scores": True,
            "output_projection": True, "layer_norm": True,
            "mlp": {"d_mlp": 20, "activation": "gelu"},
            "readout": {"kind": "mlp", "n_hidden": 1, "width": 10},
        },
        "train": {"batch_size": 5, **TEN_STEPS, "clip_norm": 0.5, "warmup_steps": 3,
                  "cosine": True, "final_fraction": 0.1,
                  "optimizer": {"kind": "adam", "learning_rate": 0.003, "adam_beta1": 0.9,
                                "adam_beta2": 0.98, "adam_eps": 1e-8, "decay": 0.01}},
    },
    # Several heads concatenated without an output projection, fixed positions.
    "sinusoidal": {
        "seed": 4, "attention_gain": 1.2,
        "task": {"n_exemplars": 3, "n_labels": 9, "d_item": 7},
        "model": {
            "positions": "sinusoidal", "n_positions": 20, "d_pos": 8, "d_buffer": 5,
            "n_layers": 2, "n_heads": 4, "d_head": 5, "scale_scores": True,
            "output_projection": False, "layer_norm": False,
            "mlp": {"d_mlp": 12, "activation": "relu"},
            "readout": {"kind": "linear"},
        },
        "train": {"batch_size": 5, **TEN_STEPS, "clip_norm": 0.3,
                  "optimizer": {**SGD, "learning_rate": 0.1}},
    },
}


def d_model(case):
    return case["model"]["d_pos"] + case["task"]["d_item"] + case["model"]["d_buffer"]


def normal(rng, *shape, scale=1.0, mean=0.0):
    """Gaussian float64 numbers, each exactly a float32."""
    return (mean + scale * rng.standard_normal(shape)).astype(np.float32).astype(np.float64)


# --- Inputs -------------------------------------------------------------------


def draw_data(case, rng):
    """The label table and ten batches of in-context copying, as named in the file."""
    task, S = case["task"], case["train"]["batch_size"]
    N, L, D = task["n_exemplars"], task["n_labels"], task["d_item"]
    label_table = normal(rng, L, D, scale=D**-0.5)
    items = normal(rng, N_BATCHES, S, N + 1, D, scale=D**-0.5)
    label_ids = np.zeros((N_BATCHES, S, N), dtype=np.int32)
    answers = np.zeros((N_BATCHES, S), dtype=np.int32)
    for batch in range(N_BATCHES):
        for s in range(S):
            label_ids[batch, s] = rng.permutation(L)[:N]
            copied = rng.randint(N)
            items[batch, s, N] = items[batch, s, copied]
            answers[batch, s] = label_ids[batch, s, copied]
    n_offsets = case["model"]["n_positions"] - (2 * N + 1) + 1
    offsets = rng.randint(n_offsets, size=(N_BATCHES, S)).astype(np.int32)
    assert offsets.min() == 0 and offsets.max() == n_offsets - 1
    return {"label_table": label_table, "items": items, "label_ids": label_ids,
            "offsets": offsets, "answers": answers}


def draw_parameters(case, rng, label_table):
    """Initial tensors by name; gains near 1 and nonzero biases, so that all matter."""
    model, C = case["model"], d_model(case)
    H, d_head, gain = model["n_heads"], model["d_head"], case["attention_gain"]
    params = {"embed.labels": label_table}

    def layer_norm(name):
        params[f"{name}.weight"] = normal(rng, C, scale=0.2, mean=1.0)
        params[f"{name}.bias"] = normal(rng, C, scale=0.1)

    if model["positions"] == "learned":
        params["embed.positions"] = normal(rng, model["n_positions"], model["d_pos"], scale=0.5)
    for b in range(model["n_layers"]):
        if model["layer_norm"]:
            layer_norm(f"blocks.{b}.ln1")
        for part in ("W_Q", "W_K", "W_V"):
            params[f"blocks.{b}.attn.{part}"] = normal(rng, H, C, d_head, scale=gain * C**-0.5)
        if model["output_projection"]:
            params[f"blocks.{b}.attn.W_O"] = normal(rng, H, d_head, C, scale=(H * d_head) ** -0.5)
        if model["mlp"]:
            d_mlp = model["mlp"]["d_mlp"]
            if model["layer_norm"]:
                layer_norm(f"blocks.{b}.ln2")
            params[f"blocks.{b}.mlp.W_in"] = normal(rng, C, d_mlp, scale=(2 / C) ** 0.5)
            params[f"blocks.{b}.mlp.b_in"] = normal(rng, d_mlp, scale=0.2)
            params[f"blocks.{b}.mlp.W_out"] = normal(rng, d_mlp, C, scale=d_mlp**-0.5)
            params[f"blocks.{b}.mlp.b_out"] = normal(rng, C, scale=0.2)
    if model["layer_norm"]:
        layer_norm("ln_final")
    n_hidden = model["readout"].get("n_hidden", 0)
    fan_in = C
    for i in range(n_hidden):
        width = model["readout"]["width"]
        params[f"readout.{i}.weight"] = normal(rng, width, fan_in, scale=(2 / fan_in) ** 0.5)
        params[f"readout.{i}.bias"] = normal(rng, 1, scale=0.2)
        fan_in = width
    n_labels = case["task"]["n_labels"]
    params[f"readout.{n_hidden}.weight"] = normal(rng, n_labels, fan_in, scale=fan_in**-0.5)
    return params


# --- Network ------------------------------------------------------------------


def position_rows(case, p, idx):
    """Position columns [.., d_pos] of the position indices `idx`."""
    model = case["model"]
    d_pos, dtype = model["d_pos"], p["embed.labels"].dtype
    if model["positions"] == "one_hot":
        return F.one_hot(idx, d_pos).to(dtype)
    if model["positions"] == "learned":
        return p["embed.positions"][idx]
    k = torch.arange(d_pos // 2, dtype=torch.float64)
    angle = idx[..., None].to(torch.float64) * 10000.0 ** (-2 * k / d_pos)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2).to(dtype)


def embed(case, p, batch):
    """Tokens x_1 l_1 .. x_N l_N x_q: [S, T, position | content | zeros]."""
    items, label_ids = batch["items"], batch["label_ids"].long()
    S, n_items, D = items.shape
    T = 2 * n_items - 1
    content = torch.zeros(S, T, D, dtype=items.dtype)
    content[:, 0::2] = items
    content[:, 1::2] = p["embed.labels"][label_ids]
    idx = batch["offsets"].long()[:, None] + torch.arange(T)
    buffer = torch.zeros(S, T, case["model"]["d_buffer"], dtype=items.dtype)
    return torch.cat([position_rows(case, p, idx), content, buffer], dim=-1)


def layer_norm(case, p, name, x):
    """LayerNorm with gain and bias, or x itself where the case has none."""
    if not case["model"]["layer_norm"]:
        return x
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"], eps=1e-5)


def attention(case, p, name, a):
    """What the heads add to the residual stream [S, T, C], and pattern [S, H, T, T]."""
    q, k, v = (torch.einsum("stc,hcd->shtd", a, p[f"{name}.{part}"])
               for part in ("W_Q", "W_K", "W_V"))
    scores = q @ k.transpose(-1, -2)
    if case["model"]["scale_scores"]:
        scores = scores / math.sqrt(case["model"]["d_head"])
    T = a.shape[1]
    later = torch.ones(T, T, dtype=torch.bool).triu(1)
    pattern = scores.masked_fill(later, -math.inf).softmax(dim=-1)
    z = pattern @ v
    if case["model"]["output_projection"]:
        return torch.einsum("shtd,hdc->stc", z, p[f"{name}.W_O"]), pattern
    return z.transpose(1, 2).flatten(2), pattern


def mlp(case, p, name, m):
    hidden = m @ p[f"{name}.W_in"] + p[f"{name}.b_in"]
    if case["model"]["mlp"]["activation"] == "relu":
        hidden = F.relu(hidden)
    else:
        hidden = F.gelu(hidden, approximate="tanh")
    return hidden @ p[f"{name}.W_out"] + p[f"{name}.b_out"]


def forward(case, p, batch):
    """Mean cross-entropy of the query's label, logits [S, L], patterns by layer."""
    model = case["model"]
    x, patterns = embed(case, p, batch), []
    for b in range(model["n_layers"]):
        a = layer_norm(case, p, f"blocks.{b}.ln1", x)
        attn_out, pattern = attention(case, p, f"blocks.{b}.attn", a)
        patterns.append(pattern)
        x = x + attn_out
        if model["mlp"]:
            m = layer_norm(case, p, f"blocks.{b}.ln2", x)
            x = x + mlp(case, p, f"blocks.{b}.mlp", m)
    h = layer_norm(case, p, "ln_final", x[:, -1])
    n_hidden = model["readout"].get("n_hidden", 0)
    for i in range(n_hidden):
        h = F.relu(h @ p[f"readout.{i}.weight"].T + p[f"readout.{i}.bias"])
    logits = h @ p[f"readout.{n_hidden}.weight"].T
    return F.cross_entropy(logits, batch["answers"].long()), logits, patterns


# --- Training -----------------------------------------------------------------


def learning_rate(train, step):
    """Linear warm-up, then constant or a cosine down to final_fraction."""
    lr, warmup = train["optimizer"]["learning_rate"], train["warmup_steps"]
    if step < warmup:
        return lr * (step + 1) / warmup
    if not train["cosine"]:
        return lr
    progress = (step - warmup) / (train["steps"] - warmup)
    final = train["final_fraction"]
    return lr * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2)


def make_optimizer(optimizer, tensors):
    """torch's optimizer; SGD without its decay, which `update` applies by itself."""
    lr = optimizer["learning_rate"]
    if optimizer["kind"] == "sgd":
        return torch.optim.SGD(tensors, lr=lr, momentum=optimizer["momentum"])
    betas = (optimizer["adam_beta1"], optimizer["adam_beta2"])
    return torch.optim.AdamW(tensors, lr=lr, betas=betas, eps=optimizer["adam_eps"],
                             weight_decay=optimizer["decay"])


@torch.no_grad()
def update(train, opt, tensors, step):
    """One step from the gradients in `tensors`; returns their norm before clipping."""
    norm = torch.sqrt(sum((t.grad**2).sum() for t in tensors))
    clip = train["clip_norm"]
    if clip is not None and norm > clip:
        for t in tensors:
            t.grad *= clip / norm
    if train["optimizer"]["kind"] == "sgd":
        for t in tensors:
            t *= 1 - train["optimizer"]["decay"]
    opt.param_groups[0]["lr"] = learning_rate(train, step)
    opt.step()
    return norm.item()


def as_tensors(arrays, dtype):
    return {name: torch.tensor(a, dtype=dtype if a.dtype == np.float64 else None)
            for name, a in arrays.items()}


def batch_at(data, i):
    return {name: data[name][i] for name in ("items", "label_ids", "offsets", "answers")}


def run(case, data, init, dtype=torch.float64):
    """All computed tensors of the file, and the gradient norm of every step."""
    data, p = as_tensors(data, dtype), as_tensors(init, dtype)
    trained = {name: t.requires_grad_() for name, t in p.items() if name != "embed.labels"}
    tensors = list(trained.values())
    opt = make_optimizer(case["train"]["optimizer"], tensors)
    out, losses, norms = {}, [], []
    for step in range(N_BATCHES):
        loss, logits, patterns = forward(case, p, batch_at(data, step))
        opt.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            out["loss"], out["logits"] = loss, logits
            out.update({f"pattern.{b}": t for b, t in enumerate(patterns)})
            out.update({f"grad.{name}": t.grad.clone() for name, t in trained.items()})
        norms.append(update(case["train"], opt, tensors, step))
    out["losses"] = torch.tensor(losses, dtype=torch.float64)
    out.update({f"final.{name}": t for name, t in p.items()})
    return {name: t.detach().numpy() for name, t in out.items()}, norms


# --- Checks -------------------------------------------------------------------


def check_gradients(case, data, init, out, rng, per_tensor=4, h=1e-5):
    """Central differences at random entries of every trained tensor; worst error."""
    batch, worst = batch_at(as_tensors(data, torch.float64), 0), 0.0
    for key in [k for k in out if k.startswith("grad.")]:
        name = key[len("grad."):]
        for flat in rng.randint(out[key].size, size=per_tensor):
            at = np.unravel_index(flat, out[key].shape)
            sides = []
            for sign in (1, -1):
                moved = {**init, name: init[name].copy()}
                moved[name][at] += sign * h
                sides.append(forward(case, as_tensors(moved, torch.float64), batch)[0].item())
            error = abs((sides[0] - sides[1]) / (2 * h) - out[key][at])
            assert error < 1e-8 + 1e-6 * abs(out[key][at]), (name, at, error)
            worst = max(worst, error)
    return worst


def check_values(case, data, out, norms):
    """The numbers are not trivial: soft patterns, live gradients, a moving loss."""
    assert all(np.isfinite(a).all() for a in out.values())
    assert all(len(set(ids)) == len(ids) for b in data["label_ids"] for ids in b)
    for key in [k for k in out if k.startswith("pattern.")]:
        assert np.allclose(out[key].sum(-1), 1) and not np.triu(out[key], 1).any()
        last = out[key][:, :, -1]
        assert last.max() < 0.95 and last.std() > 0.02, (key, last.max(), last.std())
    for key in [k for k in out if k.startswith("grad.")]:
        assert np.abs(out[key]).max() > 1e-4, (key, np.abs(out[key]).max())
        assert max(np.abs(out[key]).max(), np.abs(out[f"final.{key[5:]}"]).max()) < 10, key
    assert np.abs(np.diff(out["losses"])).min() > 1e-6
    clip = case["train"]["clip_norm"]
    assert clip is None or max(norms) > clip


def check_file(path, case, tensors):
    """What was written is what is read, dtypes and shapes included."""
    with safe_open(path, framework="np") as f:
        assert json.loads(f.metadata()["config"]) == case
        assert set(f.keys()) == set(tensors)
        for name, a in tensors.items():
            b = f.get_tensor(name)
            assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all(), name
    assert os.path.getsize(path) < 150_000, os.path.getsize(path)


def float32_deviation(case, data, init, out):
    """Largest absolute difference per kind of tensor when all is done in float32."""
    low, _ = run(case, data, init, torch.float32)
    worst = {}
    for name, a in out.items():
        kind = name.split(".")[0]
        worst[kind] = max(worst.get(kind, 0.0), np.abs(a - low[name]).max())
    return worst


def report(path, case, data, init, out, norms, fd_error):
    """Print what a reader wants to know before trusting the file."""
    batch0 = batch_at(as_tensors(data, torch.float64), 0)
    final = {n: torch.tensor(out[f"final.{n}"]) for n in init}
    after = forward(case, final, batch0)[0].item()
    patterns = [out[k][:, :, -1] for k in out if k.startswith("pattern.")]
    print(f"{path}: {os.path.getsize(path)} bytes")
    print("  losses        ", " ".join(f"{x:.4f}" for x in out["losses"]))
    print("  gradient norms", " ".join(f"{x:.4f}" for x in norms))
    print(f"  batch 0: loss {out['loss']:.6f} before, {after:.6f} after ten updates")
    print("  query's largest attention by layer", [f"{x.max():.2f}" for x in patterns],
          "standard deviation", [f"{x.std():.2f}" for x in patterns])
    print(f"  central differences agree within {fd_error:.1e}")
    deviation = float32_deviation(case, data, init, out)
    print("  float32 deviates by", ", ".join(f"{k} {v:.1e}" for k, v in deviation.items()))
    assert after < out["loss"]


def main(out_dir):
    os.makedirs(out_dir, exist_ok=True)
    torch.set_num_threads(1)
    for name, settings in CASES.items():
        case = {"case": name, **settings, "d_model": d_model(settings)}
        rng = np.random.RandomState(case["seed"])
        data = draw_data(case, rng)
        init = draw_parameters(case, rng, data["label_table"])
        out, norms = run(case, data, init)
        tensors = {**data, **{f"init.{n}": a for n, a in init.items()}, **out}
        path = os.path.join(out_dir, f"{name}.safetensors")
        tensors = {n: a.copy(order="C") for n, a in tensors.items()}
        save_file(tensors, path, metadata={"config": json.dumps(case, sort_keys=True)})
        os.chmod(path, 0o644)
        check_values(case, data, out, norms)
        check_file(path, case, tensors)
        fd_error = check_gradients(case, data, init, out, rng)
        report(path, case, data, init, out, norms, fd_error)
    print(f"python {sys.version.split()[0]}, torch {torch.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 golden.py OUT_DIR")
    main(sys.argv[1])
