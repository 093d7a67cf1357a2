#!/usr/bin/env python3
"""Features and logits of published architectures with weights made by a rule.

Needs PyTorch, torchvision and timm; nothing is downloaded. The tests in crates/vision/src/model/published.rs make
the same weights and hold the numbers printed here:

    python3 crates/vision/benches/reference/rule_weights.py

The rule: the values of a tensor are a SplitMix64 stream whose seed is the 64-bit FNV-1a hash of the tensor's name in
our files; u is uniform in -1..1, from the upper 24 bits. Then a value is
    sqrt(3 / fan_in) u      in kernels and linear layers, where fan_in is the product of all sides but the first,
    0.5 u                   in the position table and the class token,
    1 + 0.1 u               in a normalisation's scale,
    1 + 0.5 |u|             in a running variance,
    0.1 u                   in everything else: biases, shifts and running means.
The input of two images is the stream of the name "input", mapped to 0..1.
"""

import re

import numpy
import timm
import torch
import torchvision

GOLDEN = numpy.uint64(0x9E3779B97F4A7C15)


def stream(name, count):
    """Uniform in -1..1, as float64."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(state) + GOLDEN * numpy.arange(1, count + 1, dtype=numpy.uint64)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    return (z >> numpy.uint64(40)).astype(numpy.float64) / 2**23 - 1


def values(name, shape):
    u = stream(name, int(numpy.prod(shape)))
    if name in ("class_token", "encoder.pos_embedding"):
        made = 0.5 * u
    elif len(shape) > 1:
        made = numpy.sqrt(3 / numpy.prod(shape[1:])) * u
    elif name.endswith("running_var"):
        made = 1 + 0.5 * numpy.abs(u)
    elif name.endswith(".weight"):
        made = 1 + 0.1 * u
    else:
        made = 0.1 * u
    return torch.from_numpy(made.astype(numpy.float32).reshape(shape))


TIMM_NAMES = [
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "encoder.pos_embedding"),
    (r"^patch_embed\.proj\.", "conv_proj."),
    (r"^blocks\.(\d+)\.", r"encoder.layers.encoder_layer_\1."),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"\.attn\.qkv\.", ".self_attention.in_proj_"),
    (r"\.attn\.proj\.", ".self_attention.out_proj."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.3."),
    (r"^(fc_)?norm\.", "encoder.ln."),
    (r"^head\.", "heads.head."),
]


def our_name(name):
    for pattern, replacement in TIMM_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def show(title, model, head, timm_names=False):
    model = model.eval()
    state = model.state_dict()
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            state[name] = values(our_name(name) if timm_names else name, tuple(tensor.shape))
    model.load_state_dict(state)
    images = torch.from_numpy(((stream("input", 2 * 3 * 32 * 32) + 1) / 2).astype(numpy.float32))
    entered = []
    getattr(model, head).register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
    with torch.no_grad():
        logits = model(images.reshape(2, 3, 32, 32))
    print(title)
    for what, rows in (("features", entered[0]), ("logits", logits)):
        first = ", ".join(f"{value:.7g}" for value in rows[1, :8].tolist())
        print(f"  {what}: {tuple(rows.shape)}, mean magnitude {rows.abs().mean().item():.7g}, of image 1 [{first}]")


def small_stem(model):
    model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    model.maxpool = torch.nn.Identity()
    return model


def main():
    resnets = torchvision.models
    show("resnet34, imagenet stem", resnets.resnet34(num_classes=10), "fc")
    show("resnet50, imagenet stem", resnets.resnet50(num_classes=10), "fc")
    show("resnet50, cifar stem", small_stem(resnets.resnet50(num_classes=10)), "fc")
    show("wide_resnet50_2, imagenet stem", resnets.wide_resnet50_2(num_classes=10), "fc")
    show("wide_resnet50_2, cifar stem", small_stem(resnets.wide_resnet50_2(num_classes=10)), "fc")
    vit = resnets.VisionTransformer(
        image_size=32, patch_size=8, num_layers=3, num_heads=3, hidden_dim=48, mlp_dim=192, num_classes=10
    )
    show("vit of torchvision", vit, "heads")
    shape = dict(img_size=32, patch_size=8, num_classes=10, embed_dim=48, depth=3, num_heads=3)
    of_timm = timm.models.vision_transformer.VisionTransformer
    show("vit of timm, class token", of_timm(**shape), "head", timm_names=True)
    mean = of_timm(**shape, class_token=False, global_pool="avg")
    show("vit of timm, mean", mean, "head", timm_names=True)


main()
