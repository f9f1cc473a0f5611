"""Trains a ResNet on CIFAR-10 with PyTorch's DistributedDataParallel over Gloo, and prints how fast.

    torchrun --nproc-per-node 2 benches/ddp.py --data-dir data --model resnet20 --mode plain

The data set, the batch (global), the transforms, SGD and the threads are those of coxswain's side of the comparison.
`--mode plain` is the loop as people write it: a DataLoader of PIL images through torchvision's transforms, channels
first, fp32. `--mode tuned` adds what PyTorch's own performance guide asks for: channels last, bf16 by autocast where the
processor is the faster for it (--bf16), persistent workers, set_to_none, gradients as views of DDP's buckets.

It trains `--epochs` epochs of `--images` images; rank 0 prints a JSON object with the images per second of each, of
which the first holds all warming up.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "golden"))
from article_resnet import ZOO  # noqa: E402


class Cifar10(Dataset):
    """As torchvision.datasets.CIFAR10 has it: PIL images through a transform."""

    def __init__(self, directory, images, transform):
        files = sorted(Path(directory).rglob("data_batch_*.bin"))
        records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 3073) for file in files])[:images]
        self.labels = records[:, 0].astype(np.int64)
        self.images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--mode", choices=["plain", "tuned"], required=True)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    tuned = args.mode == "tuned"

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dist.init_process_group("gloo")
    transform = transforms.Compose([
        transforms.RandomCrop(32, padding=4),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ])
    data = Cifar10(args.data_dir, args.images, transform)
    sampler = DistributedSampler(data)
    options = {"persistent_workers": True} if tuned else {}
    batch = args.batch_size // dist.get_world_size()
    loader = DataLoader(data, batch_size=batch, sampler=sampler, num_workers=2, **options)

    model = ZOO[args.model]()
    if tuned:
        model = model.to(memory_format=torch.channels_last)
    model = DistributedDataParallel(model, gradient_as_bucket_view=tuned)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    speeds = []
    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        model.train()
        seen, correct, total = 0, 0, 0.0
        start = time.perf_counter()
        for images, labels in loader:
            if tuned:
                images = images.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=tuned)
            with torch.autocast("cpu", torch.bfloat16, enabled=tuned and args.bf16):
                outputs = model(images)
            loss = criterion(outputs.float(), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
            correct += (outputs.argmax(1) == labels).sum().item()
            seen += len(labels)
        dist.barrier()
        speeds.append(seen * dist.get_world_size() / (time.perf_counter() - start))
    if dist.get_rank() == 0:
        print(json.dumps({"images_per_second": speeds}), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
