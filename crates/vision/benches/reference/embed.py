"""PyTorch's numbers beside those of `cargo bench -p lookalike-vision --bench embed`.

Needs torch and torchvision, and timm for the transformer; prints the same labels with `torch-` before the device.
Weights are random, inference mode, channels-last where it is faster for convolutions is not used: plain defaults.
"""

import sys
import time

import torch
import torchvision

SIDE = 32
ENOUGH = 2.0


def networks():
    for name in ["resnet18", "resnet34", "resnet50", "wide_resnet50_2"]:
        network = getattr(torchvision.models, name)(num_classes=10)
        network.fc = torch.nn.Identity()
        yield name, network
    try:
        import timm

        yield "vit_tiny", timm.create_model("vit_tiny_patch16_224", img_size=SIDE, patch_size=4, num_classes=0)
    except ImportError:
        print("timm is not installed: vit_tiny is left out")


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    devices = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    for name, network in networks():
        for device in devices:
            network = network.to(device).eval()
            for batch in [1, 32, 256]:
                label = f"embed/{name}/torch-{device}/{batch}"
                if wanted not in label:
                    continue
                images = torch.rand(batch, 3, SIDE, SIDE, device=device)
                with torch.inference_mode():
                    network(images)
                    start, passes = time.time(), 0
                    while time.time() - start < ENOUGH:
                        network(images).cpu()
                        passes += 1
                print(f"{label}: {passes * batch / (time.time() - start):.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
