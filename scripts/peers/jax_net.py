"""The general network in JAX: several heads behind W_O (heads), or GPT-2's blocks without its token embedding (blocks:
LayerNorm, scores by sqrt(d_head), MLP with ReLU, final LayerNorm). The same function three times:

  written   every token in all layers, the last layer's query, attention row and MLP for the target only
  folded    the last layer's key and value maps are applied to one vector a head and sequence, not to every token; gain
            and bias of a LayerNorm to the map behind it, so that the first needs no gradient of its input
  factored  two layers of heads: as folded, and the first layer's values and W_O are applied to those vectors, too
"""
import jax
import jax.numpy as jnp

H, MLP = 4, 512


def init(key, net, n_layers, n_labels, d, d_item):
    ks = iter(jax.random.split(key, 4 * n_layers + 1))
    p = {"out": jax.random.normal(next(ks), (n_labels, d)) / d**0.5}
    for l in range(n_layers):
        p[f"qkv{l}"] = jax.random.normal(next(ks), (d, 3 * d)) / d_item**0.5
        p[f"o{l}"] = jax.random.normal(next(ks), (d, d)) / d**0.5
        if net == "blocks":
            p[f"in{l}"] = jax.random.normal(next(ks), (d, MLP)) * (2 / d) ** 0.5
            p[f"out{l}"] = jax.random.normal(next(ks), (MLP, d)) / MLP**0.5
            p |= {f"b_in{l}": jnp.zeros(MLP), f"b_out{l}": jnp.zeros(d)}
            p |= {f"g1{l}": jnp.ones(d), f"b1{l}": jnp.zeros(d), f"g2{l}": jnp.ones(d), f"b2{l}": jnp.zeros(d)}
    if net == "blocks":
        p |= {"g": jnp.ones(d), "b": jnp.zeros(d)}
    return p


def normalize(x):
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def norm(p, k, x):
    """LayerNorm k, where the network has it."""
    return normalize(x) * p["g" + k] + p["b" + k] if "g" in p else x


def norm_map(p, k, x, w, bias=0.0):
    """norm(x) @ w + bias, with the norm's gain and bias in the map."""
    return normalize(x) @ (p["g" + k][:, None] * w) + (p["b" + k] @ w + bias) if "g" in p else x @ w


def heads(x):
    """... x d to ... x H x d/H."""
    return x.reshape(*x.shape[:-1], H, -1)


def pattern(p, q, k, causal=True):
    """S x H x queries x T."""
    scale = (q.shape[-1] // H) ** -0.5 if "g" in p else 1.0
    s = jnp.einsum("bhie,bhje->bhij", heads(q * scale).swapaxes(1, 2), heads(k).swapaxes(1, 2))
    return jax.nn.softmax(jnp.where(jnp.tril(jnp.ones(s.shape[2:], bool)), s, -jnp.inf) if causal else s, -1)


def attend(p, q, k, v, causal=True):
    z = jnp.einsum("bhij,bhje->bhie", pattern(p, q, k, causal), heads(v).swapaxes(1, 2))
    return z.swapaxes(1, 2).reshape(*q.shape)


def mlp(p, l, u):
    return jax.nn.relu(u @ p[f"in{l}"] + p[f"b_in{l}"]) @ p[f"out{l}"] + p[f"b_out{l}"]


def written(p, x, n_layers):
    d = x.shape[-1]
    for l in range(n_layers):
        u, w = norm(p, f"1{l}", x), p[f"qkv{l}"]
        if l + 1 < n_layers:
            x = x + attend(p, *jnp.split(u @ w, 3, -1)) @ p[f"o{l}"]
        else:
            q, (k, v) = u[:, -1:] @ w[:, :d], jnp.split(u @ w[:, d:], 2, -1)
            x = x[:, -1:] + attend(p, q, k, v, causal=False) @ p[f"o{l}"]
        if "g" in p:
            x = x + mlp(p, l, norm(p, f"2{l}", x))
    return norm(p, "", x[:, 0])


def folded(p, x, n_layers):
    last, d = n_layers - 1, x.shape[-1]
    for l in range(last):
        x = x + attend(p, *jnp.split(norm_map(p, f"1{l}", x, p[f"qkv{l}"]), 3, -1)) @ p[f"o{l}"]
        if "g" in p:
            u = norm_map(p, f"2{l}", x, p[f"in{l}"], p[f"b_in{l}"])
            x = x + jax.nn.relu(u) @ p[f"out{l}"] + p[f"b_out{l}"]
    # r_h = K_h (Q_h^T u_q), scores r_h . u_j, output V_h (sum_j a_j u_j); a bias adds the same to all scores of a row
    u, h = normalize(x) if "g" in p else x, x[:, -1]
    gain, bias, scale = (p[f"g1{last}"], p[f"b1{last}"], (d // H) ** -0.5) if "g" in p else (1.0, 0.0, 1.0)
    wq, wk, wv = jnp.split(p[f"qkv{last}"], 3, 1)
    q = (u[:, -1] * gain + bias) @ wq * scale
    r = jnp.einsum("bhe,dhe->bhd", heads(q), heads(wk)) * gain
    a = jax.nn.softmax(jnp.einsum("bhd,bjd->bhj", r, u), -1)
    c = jnp.einsum("bhj,bjd->bhd", a, u) * gain + bias
    h = h + jnp.einsum("bhd,dhe->bhe", c, heads(wv)).reshape(-1, d) @ p[f"o{last}"]
    if "g" in p:
        h = h + mlp(p, last, norm(p, f"2{last}", h))
    return norm(p, "", h)


def factored(p, x, n_layers):
    assert n_layers == 2 and "g" not in p
    d = x.shape[-1]
    a1 = pattern(p, *jnp.split(x @ p["qkv0"][:, : 2 * d], 2, -1))
    v1, o1 = heads(p["qkv0"][:, 2 * d :]), p["o0"].reshape(H, -1, d)
    # what layer 1 adds to token j is sum_h a1_hj x V_h O_h
    first = lambda c: jnp.einsum("bghe,hed->bgd", jnp.einsum("bghd,dhe->bghe", c, v1), o1)
    h = x[:, -1] + first((a1[:, :, -1] @ x)[:, None])[:, 0]
    wq, wk, wv = jnp.split(p["qkv1"], 3, 1)
    r = jnp.einsum("bge,dge->bgd", heads(h @ wq), heads(wk))
    r1 = jnp.einsum("bghe,dhe->bghd", jnp.einsum("bgd,hed->bghe", r, o1), v1)
    s1 = jnp.einsum("bghi,bhji->bgj", jnp.einsum("bghd,bid->bghi", r1, x), a1)
    a = jax.nn.softmax(jnp.einsum("bgd,bjd->bgj", r, x) + s1, -1)
    c = a @ x + first(jnp.einsum("bghi,bid->bghd", jnp.einsum("bgj,bhji->bghi", a, a1), x))
    return h + jnp.einsum("bgd,dge->bge", c, heads(wv)).reshape(-1, d) @ p["o1"]


FORMS = {"last": written, "folded": folded, "factored": factored}
