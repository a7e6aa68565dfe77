"""The general network in PyTorch: nets, forms and names as in jax_net.py."""
import torch
import torch.nn.functional as F

H, MLP = 4, 512


def init(net, n_layers, n_labels, d, d_item):
    p = {"out": torch.randn(n_labels, d) / d**0.5}
    for l in range(n_layers):
        p[f"qkv{l}"] = torch.randn(3 * d, d) / d_item**0.5
        p[f"o{l}"] = torch.randn(d, d) / d**0.5
        if net == "blocks":
            p[f"in{l}"] = torch.randn(MLP, d) * (2 / d) ** 0.5
            p[f"out{l}"] = torch.randn(d, MLP) / MLP**0.5
            p |= {f"b_in{l}": torch.zeros(MLP), f"b_out{l}": torch.zeros(d)}
            p |= {f"g1{l}": torch.ones(d), f"b1{l}": torch.zeros(d), f"g2{l}": torch.ones(d), f"b2{l}": torch.zeros(d)}
    if net == "blocks":
        p |= {"g": torch.ones(d), "b": torch.zeros(d)}
    return p


class Relu(torch.autograd.Function):
    """ReLU with its slope from its output: the compiler stores a mask of booleans otherwise, which takes it longer."""

    @staticmethod
    def forward(ctx, u):
        out = F.relu(u)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        return g * torch.sign(ctx.saved_tensors[0])


relu = lambda u: Relu.apply(u) if torch.compiler.is_compiling() else F.relu(u)


def norm(p, k, x):
    """LayerNorm k, where the network has it."""
    return F.layer_norm(x, x.shape[-1:], p["g" + k], p["b" + k]) if "g" in p else x


def normalize(p, x):
    return F.layer_norm(x, x.shape[-1:]) if "g" in p else x


def norm_map(p, k, x, w, bias=0.0):
    """w norm(x) + bias, with the norm's gain and bias in the map."""
    return F.linear(normalize(p, x), w * p["g" + k], w @ p["b" + k] + bias) if "g" in p else F.linear(x, w)


def heads(x):
    """S x T x d to S x H x T x d/H."""
    return x.unflatten(-1, (H, -1)).transpose(1, 2)


def of_heads(w):
    """d x d to H x d/H x d."""
    return w.unflatten(0, (H, -1))


def attend(p, q, k, v, causal=True):
    scale = (q.shape[-1] // H) ** -0.5 if "g" in p else 1.0
    z = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), is_causal=causal, scale=scale)
    return z.transpose(1, 2).flatten(2)


def mlp(p, l, u):
    return F.linear(relu(F.linear(u, p[f"in{l}"], p[f"b_in{l}"])), p[f"out{l}"], p[f"b_out{l}"])


def written(p, x, n_layers):
    d = x.shape[-1]
    for l in range(n_layers):
        u, w = norm(p, f"1{l}", x), p[f"qkv{l}"]
        if l + 1 < n_layers:
            x = x + F.linear(attend(p, *F.linear(u, w).chunk(3, -1)), p[f"o{l}"])
        else:
            q, (k, v) = F.linear(u[:, -1:], w[:d]), F.linear(u, w[d:]).chunk(2, -1)
            x = x[:, -1:] + F.linear(attend(p, q, k, v, causal=False), p[f"o{l}"])
        if "g" in p:
            x = x + mlp(p, l, norm(p, f"2{l}", x))
    return norm(p, "", x[:, 0])


def folded(p, x, n_layers):
    last, d = n_layers - 1, x.shape[-1]
    for l in range(last):
        x = x + F.linear(attend(p, *norm_map(p, f"1{l}", x, p[f"qkv{l}"]).chunk(3, -1)), p[f"o{l}"])
        if "g" in p:
            u = norm_map(p, f"2{l}", x, p[f"in{l}"], p[f"b_in{l}"])
            x = x + F.linear(relu(u), p[f"out{l}"], p[f"b_out{l}"])
    # r_h = K_h (Q_h^T u_q), scores r_h . u_j, output V_h (sum_j a_j u_j); a bias adds the same to all scores of a row
    u, h = normalize(p, x), x[:, -1]
    gain, bias, scale = (p[f"g1{last}"], p[f"b1{last}"], (d // H) ** -0.5) if "g" in p else (1.0, 0.0, 1.0)
    wq, wk, wv = p[f"qkv{last}"].chunk(3)
    q = F.linear(u[:, -1] * gain + bias, wq) * scale
    r = torch.einsum("bhe,hed->bhd", q.unflatten(1, (H, -1)), of_heads(wk)) * gain
    a = (r @ u.transpose(-1, -2)).softmax(-1)
    c = (a @ u) * gain + bias
    h = h + F.linear(torch.einsum("bhd,hed->bhe", c, of_heads(wv)).flatten(1), p[f"o{last}"])
    if "g" in p:
        h = h + mlp(p, last, norm(p, f"2{last}", h))
    return norm(p, "", h)


def factored(p, x, n_layers):
    assert n_layers == 2 and "g" not in p
    d = x.shape[-1]
    q, k = F.linear(x, p["qkv0"][: 2 * d]).chunk(2, -1)
    s = heads(q) @ heads(k).transpose(-1, -2)
    a1 = s.masked_fill(~torch.ones(s.shape[2:], dtype=torch.bool).tril(), float("-inf")).softmax(-1)
    v1, o1 = of_heads(p["qkv0"][2 * d :]), p["o0"]
    # what layer 1 adds to token j is sum_h a1_hj x V_h O_h
    first = lambda c: F.linear(torch.einsum("bghd,hed->bghe", c, v1).flatten(2), o1)
    h = x[:, -1] + first((a1[:, :, -1] @ x)[:, None])[:, 0]
    wq, wk, wv = p["qkv1"].chunk(3)
    r = torch.einsum("bge,ged->bgd", F.linear(h, wq).unflatten(1, (H, -1)), of_heads(wk))
    r1 = torch.einsum("bghe,hed->bghd", F.linear(r, o1.T).unflatten(2, (H, -1)), v1)
    s1 = (r1.flatten(1, 2) @ x.transpose(-1, -2)).unflatten(1, (H, H))
    a = (r @ x.transpose(-1, -2) + torch.einsum("bghi,bhji->bgj", s1, a1)).softmax(-1)
    a2 = torch.einsum("bgj,bhji->bghi", a, a1).flatten(1, 2)
    c = a @ x + first((a2 @ x).unflatten(1, (H, H)))
    return h + F.linear(torch.einsum("bgd,ged->bge", c, of_heads(wv)).flatten(1), p["o1"])


FORMS = {"last": written, "folded": folded, "factored": factored}
