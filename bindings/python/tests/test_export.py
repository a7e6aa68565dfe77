"""What others use gets what we have."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import precipice as pp

GENERAL = {
    "model.n_heads": 2,
    "model.d_head": 10,
    "model.output_projection": True,
    "model.layer_norm": True,
    "model.d_mlp": 32,
    "model.activation": "gelu",
    "model.damping": 0.5,
    "model.n_layers": 3,
}


@pytest.mark.parametrize(
    "changes", [{}, {"model.n_heads": 7, "model.scale_scores": True}, GENERAL, {**GENERAL, "model.tied_layers": True}]
)
@pytest.mark.filterwarnings("ignore")
def test_transformer_lens_computes_the_same(changes: dict[str, Any]) -> None:
    pytest.importorskip("transformer_lens")
    torch = pytest.importorskip("torch")
    if int(version("transformer-lens").split(".")[0]) >= 4:
        pytest.skip("transformer-lens 4 has no HookedTransformer")
    run = pp.run("copying-small", steps=300, changes=changes, progress=False)
    for step in (0, None):
        look, model = run.look(step, n=16, residuals=True), pp.to_hooked_transformer(run, step)
        with torch.no_grad():
            logits, cache = model.run_with_cache(torch.tensor(look.residuals[0]), start_at_layer=0)
        np.testing.assert_allclose(logits[:, -1].numpy(), look.outputs, atol=2e-5)
        for layer, pattern in enumerate(look.attention):
            theirs = cache[f"blocks.{layer}.attn.hook_pattern"].numpy()
            np.testing.assert_allclose(theirs, pattern.swapaxes(0, 1), atol=2e-5)


def test_networks_that_it_has_no_place_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from precipice.export import _check_representable

    for spec in ("regression", "minimal-head"):
        run = pp.Run(spec)
        with pytest.raises(pp.Error, match="no place"):
            _check_representable(run.spec.to_dict(), run.spec.facts, run.weights())


def test_what_is_not_installed_is_named(short: pp.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, call in (
        ("transformer_lens", lambda: pp.to_hooked_transformer(short)),
        ("tensorboard", lambda: pp.to_tensorboard(short, "logs")),
        ("wandb", lambda: pp.to_wandb(short)),
    ):
        monkeypatch.setitem(__import__("sys").modules, package, None)
        monkeypatch.setitem(__import__("sys").modules, f"{package}.summary", None)
        with pytest.raises(pp.Error, match="pip install"):
            call()


@pytest.mark.filterwarnings("ignore")
def test_tensorboard(short: pp.Run) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    pp.to_tensorboard(short, "logs")
    (file,) = Path("logs").iterdir()
    events = EventAccumulator(str(file), size_guidance={"tensors": 0, "scalars": 0})
    events.Reload()
    assert len(events.Tags()["tensors"]) + len(events.Tags()["scalars"]) > 5


@pytest.mark.filterwarnings("ignore")
def test_wandb(short: pp.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    summary: dict[str, Any] = {}
    finish = wandb.Run.finish

    def watched(self: Any, *arguments: Any) -> None:
        summary.update(dict(self.summary))
        finish(self, *arguments)

    monkeypatch.setattr(wandb.Run, "finish", watched)
    logged = pp.to_wandb(short, mode="offline", project="test", dir=".")
    assert summary["digest"] == short.digest and summary["outcome"] == "none"
    assert summary["loss"] == short.rows["loss"][-1]
    assert json.loads(json.dumps(dict(logged.config)))["train"]["batch_size"] == 128
