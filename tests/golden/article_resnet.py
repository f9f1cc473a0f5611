"""The article's network with its module names."""
import torch, torch.nn as nn

class BasicBlock(nn.Module):
    expansion = 1
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True),
                                      nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o))
        self.shortcut = nn.Sequential()
        if stride != 1 or i != o:
            self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
    def forward(self, x):
        return torch.relu(self.features(x) + self.shortcut(x))

class Bottleneck(nn.Module):
    expansion = 4
    def __init__(self, i, z, stride=1):
        super().__init__()
        o = 4 * z
        self.features = nn.Sequential(nn.Conv2d(i, z, 1, bias=False), nn.BatchNorm2d(z), nn.ReLU(True),
                                      nn.Conv2d(z, z, 3, stride, 1, bias=False), nn.BatchNorm2d(z), nn.ReLU(True),
                                      nn.Conv2d(z, o, 1, bias=False), nn.BatchNorm2d(o))
        self.shortcut = nn.Sequential()
        if stride != 1 or i != o:
            self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
    def forward(self, x):
        return torch.relu(self.features(x) + self.shortcut(x))

class ResNet(nn.Module):
    def __init__(self, block, num_blocks, num_classes=10):
        super().__init__()
        self.c = 64
        self.features = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True))
        for k, (w, n, s) in enumerate(zip((64, 128, 256, 512), num_blocks, (1, 2, 2, 2)), 1):
            blocks = []
            for b in range(n):
                blocks.append(block(self.c, w, s if b == 0 else 1)); self.c = w * block.expansion
            setattr(self, f"layer{k}", nn.Sequential(*blocks))
        self.avg_pool = nn.AvgPool2d(4)
        self.classifer = nn.Linear(512 * block.expansion, num_classes)
    def forward(self, x):
        x = self.features(x)
        for k in range(1, 5): x = getattr(self, f"layer{k}")(x)
        return self.classifer(self.avg_pool(x).flatten(1))

class CifarResNet(nn.Module):
    """He et al. 2016 section 4.2, n blocks a stage, option B shortcuts where the shape changes."""
    def __init__(self, n, num_classes=10):
        super().__init__()
        self.c = 16
        self.features = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True))
        for k, (w, s) in enumerate(zip((16, 32, 64), (1, 2, 2)), 1):
            blocks = []
            for b in range(n):
                blocks.append(BasicBlock(self.c, w, s if b == 0 else 1)); self.c = w
            setattr(self, f"layer{k}", nn.Sequential(*blocks))
        self.avg_pool = nn.AvgPool2d(8)
        self.classifer = nn.Linear(64, num_classes)
    def forward(self, x):
        x = self.features(x)
        for k in range(1, 4): x = getattr(self, f"layer{k}")(x)
        return self.classifer(self.avg_pool(x).flatten(1))

def with_large_stem(model):
    """The stem of He et al. 2016, table 1, and a mean over whatever pixels are left. The article has neither."""
    width = model.features[0].out_channels
    model.features = nn.Sequential(nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(True),
                                   nn.MaxPool2d(3, 2, 1))
    model.avg_pool = nn.AdaptiveAvgPool2d(1)
    return model

ZOO = {
    "resnet18": lambda: ResNet(BasicBlock, [2, 2, 2, 2]), "resnet34": lambda: ResNet(BasicBlock, [3, 4, 6, 3]),
    "resnet50": lambda: ResNet(Bottleneck, [3, 4, 6, 3]), "resnet101": lambda: ResNet(Bottleneck, [3, 4, 23, 3]),
    "resnet152": lambda: ResNet(Bottleneck, [3, 8, 36, 3]),
    "resnet20": lambda: CifarResNet(3), "resnet32": lambda: CifarResNet(5), "resnet44": lambda: CifarResNet(7),
    "resnet56": lambda: CifarResNet(9), "resnet110": lambda: CifarResNet(18),
}
