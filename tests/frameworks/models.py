"""Modules as people write them, for the tests of reading them."""

import torch
from torch import nn
from torch.nn import functional as F


class MLP(nn.Module):
    def __init__(self, n, depth=3, d_in=64, d_out=1):
        super().__init__()
        hidden = [part for _ in range(depth - 1) for part in (nn.Linear(n, n), nn.ReLU())]
        self.net = nn.Sequential(nn.Linear(d_in, n), nn.ReLU(), *hidden, nn.Linear(n, d_out))

    def forward(self, x):
        return self.net(x)


class Attention(nn.Module):
    """nanoGPT's: queries, keys and values from one projection."""

    def __init__(self, n, heads, fused, scale):
        super().__init__()
        self.heads, self.fused, self.scale = heads, fused, scale
        if fused:
            self.c_attn = nn.Linear(n, 3 * n, bias=False)
        else:
            self.q, self.k, self.v = (nn.Linear(n, n, bias=False) for _ in range(3))
        self.c_proj = nn.Linear(n, n, bias=False)

    def forward(self, x):
        B, T, n = x.size()
        q, k, v = self.c_attn(x).split(n, dim=2) if self.fused else (self.q(x), self.k(x), self.v(x))
        q, k, v = (part.view(B, T, self.heads, n // self.heads).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale and self.scale(n // self.heads))
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, n))


class Block(nn.Module):
    def __init__(self, n, L, heads, fused, scale):
        super().__init__()
        self.branch = L**-0.5
        self.ln_1, self.ln_2 = (nn.LayerNorm(n, elementwise_affine=False) for _ in range(2))
        self.attn = Attention(n, heads, fused, scale)
        self.mlp = nn.Sequential(nn.Linear(n, 4 * n, bias=False), nn.GELU(), nn.Linear(4 * n, n, bias=False))

    def forward(self, x):
        x = x + self.branch * self.attn(self.ln_1(x))
        return x + self.branch * self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """As nanoGPT's, with branches over the root of the depth."""

    def __init__(self, n, L, heads=4, vocab=65, T=16, fused=False, scale=None, tied=False):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, n), nn.Embedding(T, n)
        self.h = nn.ModuleList(Block(n, L, heads, fused, scale) for _ in range(L))
        self.ln_f = nn.LayerNorm(n, elementwise_affine=False)
        self.lm_head = nn.Linear(n, vocab, bias=False)
        if tied:
            self.wte.weight = self.lm_head.weight

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.size(1), device=tokens.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))
