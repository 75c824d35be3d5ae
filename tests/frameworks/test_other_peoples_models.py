"""Modules that nobody here wrote: read, or refused with the place and the reason."""

from fractions import Fraction

import pytest

import ntksym as ns
from ntksym.errors import FrameworkError, ScalingError
from ntksym.language.dims import Axis, as_size
from tests.frameworks.comparing import same, same_rows

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # of those packages about themselves and each other

TOKENS = torch.zeros(2, 16, dtype=torch.long)
WIDTHS = {"n": (64, 128)}


def powers(table, column="lr"):
    return {row.name: str(row.column(column)) for row in table.parameters}


def encoder(n, L=2, norm_first=True):
    layer = torch.nn.TransformerEncoderLayer(n, 4, 4 * n, batch_first=True, norm_first=norm_first)
    return torch.nn.TransformerEncoder(layer, L, enable_nested_tensor=False)


@pytest.mark.long
def test_the_encoder_of_torch():
    read = ns.from_torch(encoder, WIDTHS, lambda n: torch.zeros(2, 16, n))
    lr = powers(ns.scaling_table(read))
    assert (
        lr["layers.linear1.weight"] == lr["layers.linear2.weight"] == lr["layers.self_attn.out_proj.weight"] == "n^-1"
    )
    assert str(next(node.attr("times") for node in read.nodes.values() if node.op == "repeat")) == "2"


@pytest.mark.long
def test_the_encoder_of_torch_with_norms_behind_has_no_skip_path():
    sizes = {"n": (64, 128), "L": (2, 3)}
    read = ns.from_torch(lambda n, L: encoder(n, L, False), sizes, lambda n, L: torch.zeros(2, 16, n))
    with pytest.raises(ScalingError, match="layers: the L copies have no skip path"):
        ns.scaling_table(read)


def resnet(n, models, block, layers, groups=1):
    """torchvision's ResNet with n channels in its first block, in place of 64."""
    model = models.ResNet(block, layers, num_classes=10, groups=groups)
    model.inplanes = n
    model.conv1, model.bn1 = torch.nn.Conv2d(3, n, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(n)
    for i, (blocks, stride) in enumerate(zip(layers, (1, 2, 2, 2), strict=True)):
        setattr(model, f"layer{i + 1}", model._make_layer(block, 2**i * n, blocks, stride=stride))
    model.fc = torch.nn.Linear(model.inplanes, 10)
    return model


def resnet18(n, models):
    return resnet(n, models, models.resnet.BasicBlock, [2, 2, 2, 2])


@pytest.mark.long
def test_resnet18_of_torchvision(torchvision):
    read = ns.from_torch(lambda n: resnet18(n, torchvision.models), {"n": (16, 32)}, torch.zeros(8, 3, 64, 64))
    table = ns.scaling_table(read)
    lr, std = powers(table), powers(table, "init_std")
    assert (lr["conv1.weight"], std["conv1.weight"]) == ("1", "1")  # from three channels, which stay
    assert (lr["layer3.0.conv1.weight"], std["layer3.0.conv1.weight"]) == ("n^-1", "n^(-1/2)")
    assert (lr["layer4.0.downsample.0.weight"], std["layer4.0.downsample.0.weight"]) == ("n^-1", "n^(-1/2)")
    assert (lr["fc.weight"], std["fc.weight"]) == ("n^-1", "n^-1")
    assert {lr[name] for name in lr if ".bn" in name or name.startswith("bn")} == {"1"}
    assert table["layer2.0.conv1.weight"].shape == ("2*n", "9*n")
    assert table.verdict.stable


@pytest.mark.long
@pytest.mark.parametrize("training", [False, True])
def test_resnet18_computes_what_it_did(torchvision, training):
    images = (torch.randn(3, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),)
    assert same(lambda n: resnet18(n, torchvision.models), {"n": (4, 8)}, {"n": 4}, images, training=training) < 1e-9


@pytest.mark.long
def test_the_vision_transformer_of_torchvision(torchvision):
    def build(n, L):
        return torchvision.models.VisionTransformer(32, 8, L, n // 16, n, 4 * n)

    table = ns.scaling_table(ns.from_torch(build, {"n": (64, 128), "L": (2, 3)}, torch.zeros(2, 3, 32, 32)))
    lr, std = powers(table), powers(table, "init_std")
    assert (lr["conv_proj.weight"], std["conv_proj.weight"]) == ("1", "1")
    assert lr["class_token"] == lr["encoder.pos_embedding"] == std["encoder.pos_embedding"] == "1"
    inner = [name for name in lr if name.startswith("encoder.layers.") and len(table[name].shape) == 2]
    assert len(inner) == 4
    assert all(lr[name].startswith("n^-1") for name in inner)
    assert all(std[name].startswith("n^(-1/2)") for name in inner)
    assert (lr["heads.head.weight"], std["heads.head.weight"]) == ("n^-1", "n^-1")
    assert table["encoder.pos_embedding"].shape == ("17", "n")
    images = (torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),)
    assert same(build, {"n": (16, 32), "L": (2, 3)}, {"n": 16, "L": 2}, images) < 1e-12


def convnext(n, models):
    block = models.convnext.CNBlockConfig
    return models.ConvNeXt([block(n, 2 * n, 2), block(2 * n, None, 2)], stochastic_depth_prob=0.1)


def efficientnet(n, models):
    blocks, _ = models.efficientnet._efficientnet_conf("efficientnet_b0", width_mult=n, depth_mult=1.0)
    return models.EfficientNet(blocks[1:2], dropout=0.2, last_channel=1280 * n)


def mobilenet(n, models):
    return models.MobileNetV2(width_mult=float(n), inverted_residual_setting=[[6, 32, 2, 2], [6, 64, 2, 2]])


def resnext(n, models):
    return resnet(n, models, models.resnet.Bottleneck, [1, 1, 1, 1], groups=4)


def densenet(n, models):
    return models.DenseNet(growth_rate=n, block_config=(2, 2), num_init_features=2 * n)


OTHERS = {
    # sizes, a vector, an inner weight and the output
    convnext: ((96, 192), "features.1.0.block.0.weight", "features.3.1.block.3.weight", "classifier.2.weight"),
    efficientnet: ((1, 2), "features.1.0.block.1.0.weight", "features.1.1.block.2.fc1.weight", "classifier.1.weight"),
    mobilenet: ((1, 2), "features.2.conv.1.0.weight", "features.3.conv.2.weight", "classifier.1.weight"),
    resnext: ((16, 32), "layer1.0.bn2.weight", "layer1.0.conv2.weight", "fc.weight"),
    densenet: ((16, 32), "features.norm0.weight", "features.denseblock1.denselayer2.conv1.weight", "classifier.weight"),
}


@pytest.mark.long
@pytest.mark.parametrize("build", OTHERS, ids=lambda build: build.__name__)
def test_other_models_of_torchvision(torchvision, build):
    """Vectors (gains, depthwise windows) start and move by order one, inner weights and outputs as a perceptron's."""
    widths, vector, inner, output = OTHERS[build]
    table = ns.scaling_table(
        ns.from_torch(lambda n: build(n, torchvision.models), {"n": widths}, torch.zeros(4, 3, 64, 64))
    )
    lr, std = powers(table), powers(table, "init_std")
    assert (lr[vector], std[vector]) == ("1", "1")
    assert (lr[inner], std[inner]) == ("n^-1", "n^(-1/2)")
    assert (lr[output], std[output]) == ("n^-1", "n^-1")
    assert table.verdict.stable


@pytest.mark.long
def test_tables_of_relative_positions_are_refused(torchvision):
    def build(n):
        return torchvision.models.SwinTransformer([4, 4], n, [2], [n // 16], [7, 7])

    with pytest.raises(FrameworkError, match=r"^features.1.0.attn: the operation index"):
        ns.from_torch(build, {"n": (96, 192)}, torch.zeros(4, 3, 64, 64))


SMALL = {"vocab_size": 65, "num_hidden_layers": 2, "num_attention_heads": 4, "use_cache": False}
LLAMA = {
    "model.embed_tokens.weight": "embed.w",
    "model.layers.input_layernorm.weight": "block.norm1.g",
    **{f"model.layers.self_attn.{part}_proj.weight": f"block.attn.{part}.w" for part in "qkvo"},
    "model.layers.post_attention_layernorm.weight": "block.norm2.g",
    **{f"model.layers.mlp.{part}_proj.weight": f"block.mlp.{part}.w" for part in ("gate", "up", "down")},
    "model.norm.weight": "norm.g",
    "lm_head.weight": "readout.w",
}


@pytest.mark.long
def test_llama_has_the_table_of_the_zoo(hf):
    def build(n, L):
        sizes = {"hidden_size": n, "intermediate_size": 3 * n, "num_hidden_layers": L, "num_key_value_heads": 2}
        return hf.LlamaForCausalLM(hf.LlamaConfig(**{**SMALL, **sizes}))

    mine = ns.scaling_table(ns.from_torch(build, {"n": (64, 128), "L": (2, 3)}, TOKENS))
    settings = dict.fromkeys(("rotary", "rms", "gated", "affine", "grouped"), True)
    theirs = ns.scaling_table(ns.zoo.load("transformer")(scale=Fraction(-1, 2), branch=Fraction(0), ff=3, **settings))
    for column in ("init_std", "lr", "weight_decay"):
        assert {LLAMA[name]: power for name, power in powers(mine, column).items()} == powers(theirs, column)
    assert mine.verdict.stable == theirs.verdict.stable


@pytest.mark.long
def test_gpt2_is_a_gpt(hf, models):
    def build(n):
        return hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=65, n_embd=n, n_layer=2, n_head=4, use_cache=False))

    mine = ns.scaling_table(ns.from_torch(build, WIDTHS, TOKENS))
    nano = ns.scaling_table(ns.from_torch(lambda n: models.GPT(n, 2, fused=True, tied=True), WIDTHS, TOKENS))
    pairs = {"attn.c_attn": "attn.c_attn", "attn.c_proj": "attn.c_proj", "mlp.c_fc": "mlp.0", "mlp.c_proj": "mlp.2"}
    for theirs, ours in pairs.items():
        for column in ("init_std", "lr"):
            name = f"transformer.h.{theirs}.weight"
            assert powers(mine, column)[name] == powers(nano, column)[f"h.{ours}.weight"]


MIXTRAL = {
    **{theirs: ours for theirs, ours in LLAMA.items() if ".mlp." not in theirs},
    "model.layers.mlp.gate.weight": "block.router.w",
    "model.layers.mlp.experts.gate_up_proj": "block.up.w",
    "model.layers.mlp.experts.down_proj": "block.down.w",
}


@ns.program
def mixtral(tokens: ns.Tokens(16)):
    """A LLaMA whose gated units are experts, of which the two best answer."""
    n, L, expert = ns.dim("n"), ns.dim("L"), Axis("expert", as_size(4))

    def block(h):
        x = ns.rmsnorm(h, name="norm1")
        h = h + ns.attention(x, 4, name="attn", kv_heads=2, rotary=True, scale=(n / 4) ** Fraction(-1, 2))
        x = ns.rmsnorm(h, name="norm2")
        scores = ns.softmax(ns.as_axis(ns.dense(x, 4, name="router", bias=False), "expert"), "expert")
        both = ns.split(ns.dense(x, 6 * n, name="up", bias=False, index=expert), "half", 2)
        inner = ns.silu(ns.pick(both, "half", 0)) * ns.pick(both, "half", 1)
        answers = ns.dense(inner, n, name="down", bias=False, index=expert)
        return h + ns.mix(ns.top_k(scores, "expert", 2), answers, "expert")

    h = ns.repeat(L, block, ns.embedding(tokens, n, name="embed")[0])
    return ns.dense(ns.rmsnorm(h, name="norm"), 65, name="readout", bias=False)


@pytest.mark.long
@pytest.mark.parametrize("how", ["grouped_mm", "batched_mm"])
def test_mixtral_has_the_table_of_the_same_architecture_in_the_language(hf, how):
    def build(n, L):
        sizes = {"hidden_size": n, "intermediate_size": 3 * n, "num_hidden_layers": L, "num_key_value_heads": 2}
        config = {**SMALL, **sizes, "num_local_experts": 4, "experts_implementation": how}
        return hf.MixtralForCausalLM(hf.MixtralConfig(**config))

    read = ns.from_torch(build, {"n": (64, 128), "L": (2, 3)}, TOKENS)
    same_rows(ns.scaling_table(read), ns.scaling_table(mixtral), MIXTRAL)


class Graph(torch.nn.Module):
    """Two layers on a dense adjacency matrix."""

    def __init__(self, n):
        super().__init__()
        self.first, self.second, self.last = torch.nn.Linear(8, n), torch.nn.Linear(n, n), torch.nn.Linear(n, 3)

    def forward(self, x, adjacency):
        h = torch.relu(adjacency @ self.first(x))
        return self.last(torch.relu(adjacency @ self.second(h)))


def test_a_graph_network_on_a_dense_adjacency():
    read = ns.from_torch(Graph, {"n": (16, 32)}, (torch.zeros(10, 8), torch.zeros(10, 10)), batched=False)
    lr = powers(ns.scaling_table(read))
    assert (lr["first.weight"], lr["second.weight"], lr["last.weight"]) == ("1", "n^-1", "n^-1")
