"""Train a small classifier from a published version, with PyTorch; TensorFlow is not imported.

    python examples/train_torch.py data/store/demo --out vials.pt

Without ``--version`` the newest published version is looked up once, and pinned: everything after that reads this one
version, whatever is published meanwhile. Its id is saved with the weights.
"""

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

import brev_pipeline


class Crop(nn.Module):
    """The part of the picture that the cap is in: vials stand upright in the middle, and the cap makes the class."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, channels, 128, 128) → (batch, channels, 60, 60)."""
        return images[:, :, 4:64, 34:94]


def classifier(channels: int, classes: int) -> nn.Module:
    """Four convolutions, each halving the picture: about 55,000 weights."""
    layers: list[nn.Module] = [Crop()]
    for filters in (16, 32, 48, 64):
        layers += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(channels * 3 * 3, classes))


def accuracy_of(model: nn.Module, batches: DataLoader) -> float:
    """Share of the images whose class is found, 0 to 1."""
    model.eval()
    with torch.no_grad():
        right = [(model(images).argmax(1) == labels).float() for images, labels in batches]
    return float(torch.cat(right).mean())


def train(store: str, version: str | None, epochs: int, out: Path) -> float:
    """Train, evaluate and save; returns the accuracy on devel, 0 to 1."""
    torch.manual_seed(1)
    train_set = brev_pipeline.read(store, "train", version=version)
    pinned = train_set.version
    devel_set = brev_pipeline.read(store, "devel", version=pinned)
    classes = train_set.classes
    print(f"version {pinned}: train {len(train_set)}, devel {len(devel_set)} records; classes {', '.join(classes)}")

    batches = DataLoader(train_set.to_torch(rescale="unit"), batch_size=16, shuffle=True)
    devel = DataLoader(devel_set.to_torch(rescale="unit"), batch_size=64)
    model = classifier(train_set.shape.channels, len(classes))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
    for epoch in range(epochs):
        model.train()
        for images, labels in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{epochs}: loss {loss.item():.3f}, devel accuracy {accuracy_of(model, devel):.3f}")

    accuracy = accuracy_of(model, devel)
    facts = {"brev_pipeline_version": pinned, "classes": classes, "devel_accuracy": accuracy}
    torch.save({"weights": model.state_dict(), **facts}, out)
    print(f"devel accuracy {accuracy:.3f}; wrote {out}, trained on version {pinned}")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="folder of a pipeline in the store, such as data/store/demo")
    parser.add_argument("--version", help="id of a published version; default: the newest")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("model.pt"))
    arguments = parser.parse_args()
    train(arguments.store, arguments.version, arguments.epochs, arguments.out)
