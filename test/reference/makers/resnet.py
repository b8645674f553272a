"""resnet.safetensors: the first steps of small residual networks, as torchvision's resnet18 but narrower, in float32 and float64."""

import torch
import torch.nn as nn
import torch.nn.functional as F

STEPS = 5
OPTIONS = {"lr": 0.1, "momentum": 0.9}
# Options of nn.resnet, and the shape of a batch of images.
NETWORKS = {
    "small": ({"inChannels": 2, "width": 4, "blocks": [1, 2, 1], "classes": 5, "stem": "small"}, (6, 2, 8, 8)),
    "imagenet": ({"inChannels": 3, "width": 3, "blocks": [1, 1], "classes": 4, "stem": "imagenet"}, (5, 3, 17, 18)),
}


class BasicBlock(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, options):
        super().__init__()
        width, self.stages = options["width"], len(options["blocks"])
        small = options["stem"] == "small"
        self.conv1 = nn.Conv2d(options["inChannels"], width, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        channels = width
        for stage, count in enumerate(options["blocks"]):
            blocks = []
            for i in range(count):
                blocks.append(BasicBlock(channels, width * 2**stage, 2 if i == 0 and stage > 0 else 1))
                channels = width * 2**stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, options["classes"])

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


def make(_):
    tensors, cases = {}, []
    for name, (options, shape) in NETWORKS.items():
        torch.manual_seed(0)
        net = ResNet(options)
        init = {key: value.clone() for key, value in net.state_dict().items()}
        images, labels = torch.randn(shape), torch.arange(shape[0]) % options["classes"]
        tensors.update({f"{name}.images": images, f"{name}.labels": labels.int()})
        tensors.update({f"{name}.init.{key}": value for key, value in init.items() if value.dim() > 0})
        for dtype in [torch.float32, torch.float64]:
            net = ResNet(options)
            net.load_state_dict(init)
            net.to(dtype)
            optimizer = torch.optim.SGD(net.parameters(), **OPTIONS)
            losses = []
            for _ in range(STEPS):
                loss = F.cross_entropy(net(images.to(dtype)), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            net.eval()
            prefix = f"{name}.{str(dtype)[6:]}"
            tensors[f"{prefix}.losses"] = torch.tensor(losses, dtype=dtype)
            tensors[f"{prefix}.logits"] = net(images.to(dtype)).detach()
            tensors[f"{prefix}.running_var"] = net.bn1.running_var.clone()
        cases.append({"name": name, "options": options, "names": list(init)})
    return tensors, cases
