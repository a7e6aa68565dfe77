"""Writes what the page's section on characters needs, into page/public/data.

The bank of items, data/han-glyphs.npz, is too large for a page. A part of it, 384 characters to train on and the 128
that `han-small` holds out, becomes han-items.npz, in whole numbers to be divided by their length. `han-small` on it is
trained once, and its last weights, curves and first contexts are shown before anything is computed.

The network reads 63 features of a character, not its picture, and the program that made them from type is not needed to
run anything. For characters that a reader draws, a ridge regression from the thumbnails to the features stands in. It is
fitted on the 1,536 classes that are not held out and tested on the 128 that are; every number that the page states about
it is computed here and stands in han-map.json.

Run by hand when the bank of items, `han-small` or the format changes; nothing else calls it. numpy only.

    python3 scripts/page_han.py items
    precipice run han-small --out /tmp/han -s task.copying.items.normalize=true \\
        -s task.copying.items.file=page/public/data/han-items.npz
    precipice export /tmp/han --to npz --contexts --on ic --sequences 96 --step 0,3000 -o /tmp/han-contexts.npz
    python3 scripts/page_han.py page /tmp/han /tmp/han-contexts.npz
"""

import base64
import json
import shutil
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "page/public/data"
N_HELD_OUT, N_TRAINED = 128, 384
N_INSTANCES = 12
PENALTY = 100.0
# Typefaces that a reader can choose from, and how many characters.
TYPEFACES, N_LISTED = (0, 4, 9), 40
# Contexts with stored answers, for a page that has no engine yet.
N_STORED = 12
COLUMNS = ("step", "sequences", "loss", "accuracy", "ic_loss", "ic_accuracy", "ic_nearest_neighbor_accuracy", "tila2")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def moved(pictures, dx, dy):
    square = pictures.reshape(-1, 24, 24)
    return np.roll(square, (dy, dx), (1, 2)).reshape(pictures.shape)


def fit(pictures, features):
    """Ridge regression on the pictures and their copies moved by a pixel: drawings are not centred to a pixel."""
    x, y = pictures.reshape(-1, 576), features.reshape(-1, 63)
    shifts = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    x = np.concatenate([moved(x, *shift) for shift in shifts]).astype(np.float64)
    y = np.tile(y, (len(shifts), 1)).astype(np.float64)
    mean_x, mean_y = x.mean(0), y.mean(0)
    gram = (x - mean_x).T @ (x - mean_x) / len(shifts) + PENALTY * np.eye(576)
    weights = np.linalg.solve(gram, (x - mean_x).T @ (y - mean_y) / len(shifts)).T
    return weights, mean_y - weights @ mean_x


def share_right(query, exemplars, n_context, draws=20_000):
    """Share of contexts in which the most similar exemplar is the query's; all in typefaces other than the query's."""
    rng = np.random.default_rng(0)
    right = 0
    for _ in range(draws):
        classes = rng.choice(len(query), n_context, replace=False)
        asked = rng.integers(n_context)
        typeface = rng.integers(N_INSTANCES)
        others = (typeface + 1 + rng.integers(N_INSTANCES - 1, size=n_context)) % N_INSTANCES
        right += (exemplars[classes, others] @ query[classes[asked], typeface]).argmax() == asked
    return right / draws


def tested(weights, bias, pictures, features):
    said = pictures @ weights.T + bias
    spread = ((features - features.mean((0, 1))) ** 2).sum()
    said_unit = unit(said)
    numbers = {"r2": 1 - ((said - features) ** 2).sum() / spread, "cosine": (said_unit * features).sum(-1).mean()}
    for n in (4, 8):
        numbers[f"right_{n}"] = share_right(said_unit, said_unit, n)
        numbers[f"right_{n}_features"] = share_right(features, features, n)
    return {name: round(float(value), 3) for name, value in numbers.items()}


def packed(thumbnails):
    """Four gray levels in two bits, four pixels a byte, the first in the lowest bits."""
    levels = (thumbnails.reshape(-1, 4) // 85).astype(np.uint8)
    return base64.b64encode((levels << np.array([0, 2, 4, 6], np.uint8)).sum(1).astype(np.uint8).tobytes()).decode()


def looks(contexts, sequence):
    """What the engine says of a context, by step."""
    n = contexts["labels"].shape[1]
    of_step = {}
    for index, step in enumerate(contexts["steps"].tolist()):
        of_step[str(step)] = {
            "step": step,
            "n_tokens": 2 * n + 1,
            "n_exemplars": n,
            "item_ids": contexts["item_ids"][sequence].tolist(),
            "labels": contexts["labels"][sequence].tolist(),
            "matches": contexts["matches"][sequence].astype(bool).tolist(),
            "values": [],
            "answer": int(contexts["answers"][sequence]),
            "outputs": np.round(contexts["logits"][index, sequence].astype(float), 3).tolist(),
            "patterns": [
                [np.round(head.astype(float), 3).ravel().tolist() for head in contexts[name][index, sequence]]
                for name in ("blocks.0.attn.pattern", "blocks.1.attn.pattern")
            ],
        }
    return of_step


def stored_run(run, contexts):
    manifest = json.loads((run / "manifest.json").read_text())
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = contexts["steps"].tolist()
    assert steps[-1] == manifest["steps"] and manifest["name"] == "han-small"
    return {
        "about": {
            "name": manifest["name"], "hash": manifest["spec_hash"], "n_layers": 2, "n_heads": 1, "n_tokens": 9,
            "arithmetic": manifest["arithmetic"], "steps": manifest["steps"], "has_attention": True,
            "facts": {
                "family": "copying", "targets": "labels", "d_item": 63,
                "eval_sets": [{"prefix": "", "words": "as trained"}, {"prefix": "ic_", "words": "novel classes (ic)"}],
            },
        },
        "rows": [{name: row[name] for name in COLUMNS} for row in rows],
        "looks": looks(contexts, 0),
        "contexts": [looks(contexts, sequence) for sequence in range(N_STORED)],
        "transition": manifest["transition"],
        "digest": manifest["digest"],
    }


def write(name, value):
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    (OUT / name).write_text(text + "\n")
    print(f"{name}: {len(text) / 1000:.1f} kB")


def write_items(bank):
    """Some classes to train on, evenly chosen, and those that are held out, as int8 [classes, instances, 63]."""
    features = bank["items"].astype(np.float32)
    first = len(features) - N_HELD_OUT
    chosen = np.linspace(0, first - 1, N_TRAINED).round().astype(int)
    part = np.concatenate([features[chosen], features[first:]])
    numbers = np.round(127 * part / np.abs(part).max(-1, keepdims=True)).astype(np.int8)
    OUT.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(OUT / "han-items.npz", items=numbers)


def write_map(bank):
    pictures, features = bank["thumbnails"].reshape(-1, N_INSTANCES, 576) / 255, bank["items"].astype(np.float64)
    weights, bias = fit(pictures[:-N_HELD_OUT], features[:-N_HELD_OUT])
    scales = np.abs(weights).max(1) / 127
    rounded = np.round(weights / scales[:, None]).astype(np.int8)
    # What is tested is what is written.
    numbers = tested(rounded * scales[:, None], bias, pictures[-N_HELD_OUT:], features[-N_HELD_OUT:])
    print(numbers)
    write("han-map.json", {
        "weights": base64.b64encode(rounded.tobytes()).decode(),
        "scales": [float(f"{scale:.6g}") for scale in scales],
        "bias": [float(f"{b:.6g}") for b in bias],
        "numbers": numbers,
    })


def write_pictures(bank, contexts):
    """Pictures of all items of the contexts and of those that can be chosen, by their row in han-items.npz."""
    held_out = bank["thumbnails"][-N_HELD_OUT:].reshape(-1, 576)
    first = N_TRAINED * N_INSTANCES
    choices = [
        [first + (k * N_HELD_OUT // N_LISTED) * N_INSTANCES + typeface for typeface in TYPEFACES] for k in range(N_LISTED)
    ]
    ids = sorted({int(i) for i in contexts["item_ids"].ravel()} | {i for choice in choices for i in choice})
    write("han-pictures.json", {
        "n_contexts": len(contexts["item_ids"]),
        "ids": ids,
        "pixels": packed(held_out[np.array(ids) - first]),
        "characters": "".join(chr(c) for c in bank["characters"][-N_HELD_OUT:]),
        "first_class": N_TRAINED,
        "choices": choices,
    })


def main(command, *paths):
    bank = np.load(ROOT / "data/han-glyphs.npz")
    if command == "items":
        return write_items(bank)
    run, contexts = Path(paths[0]), np.load(paths[1])
    write_map(bank)
    write_pictures(bank, contexts)
    write("han-small.json", stored_run(run, contexts))
    shutil.copy(run / f"checkpoints/step-{contexts['steps'][-1]:08}.safetensors", OUT / "han-small.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
