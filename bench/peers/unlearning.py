"""Feature unlearning on a table in PyTorch, eager mode. One JSON request a line on standard input.

`same` does the arithmetic of the method `ferrari` (packages/unlearn): the same batches, variants, objective and optimiser,
vectorised over the batch as one writes it in PyTorch. `authors` is the loop of the published method: for each batch a Python
loop over N perturbations, the gradient stopped in f(x + d), plain SGD on the sum. With `ahead` the noisy copies are made
before, row by row, and kept in memory, as the published code does; the time to make them counts.
"""

import json
import math
import sys
import time

import torch
from torch.nn import functional as F

import tensor_file
from networks import Mlp

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)

BATCH = 128
JITTER = 0.1 * math.sqrt(3)


class Run:
    def __init__(self, tensors, hidden, slots, feature):
        contents = tensor_file.read(tensors)
        self.rows = contents.pop("rows")
        self.prepared = {name[9:]: contents.pop(name) for name in list(contents) if name.startswith("prepared.")}
        self.weights = contents
        self.hidden = hidden
        self.start, self.end = slots[feature]
        # For every column the number of its feature.
        self.owner = torch.zeros(self.rows.shape[1], dtype=torch.long)
        for number, (start, end) in enumerate(slots):
            self.owner[start:end] = number
        self.features = len(slots)
        self.deviations = self.rows.std(0, unbiased=False)
        self.values = self.rows[:, self.start : self.end].unique(dim=0)
        self.teacher = self.network()
        self.reset()

    def network(self):
        classes = self.weights[f"layer{len(self.hidden)}.bias"].shape[0]
        model = Mlp(self.rows.shape[1], tuple(self.hidden), classes)
        model.load_state_dict({name: value.clone() for name, value in self.weights.items()})
        return model

    def reset(self):
        self.model = self.network()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0)

    def batch(self):
        """Half real rows, a quarter between two rows, a quarter with features of another row; noise on the made-up ones."""
        own = self.rows[torch.randint(len(self.rows), (BATCH,))]
        other = self.rows[torch.randint(len(self.rows), (BATCH,))]
        u = torch.rand(BATCH, 1)
        mixed, swapped = u < 0.25, (u >= 0.25) & (u < 0.5)
        x = torch.where(mixed, own + torch.rand(BATCH, 1) * (other - own), own)
        exchange = (torch.rand(BATCH, self.features) < 0.2)[:, self.owner]
        x = torch.where(swapped & exchange, other, x)
        noise = (2 * torch.rand_like(x) - 1) * JITTER * self.deviations
        return torch.where(u < 0.5, x + noise, x)

    def perturbed(self, x):
        sigma = 0.05 + 0.95 * torch.rand(len(x), 1)
        delta = sigma * torch.randn(len(x), self.end - self.start)
        moved = x.clone()
        moved[:, self.start : self.end] += delta
        return moved, delta.norm(dim=1).clamp_min(0.01)

    def variants(self, x):
        moved, norms = self.perturbed(x)
        replaced = x.clone()
        replaced[:, self.start : self.end] = self.values[torch.randint(len(self.values), (len(x),))]
        return [moved, replaced], torch.cat([norms, (replaced - x).norm(dim=1).clamp_min(0.05)])

    def step(self, stacked, target, distances, penalty):
        own, moved, replaced = self.model(stacked).chunk(3)
        agreement = -(target * own.log_softmax(1)).sum(1).mean()
        on_variants = sum(-(target * part.log_softmax(1)).sum(1).mean() for part in (moved, replaced))
        quotients = [
            (((own - part).square().sum(1) + 1e-12).sqrt() / distance).mean()
            for part, distance in zip((moved, replaced), distances.chunk(2))
        ]
        sensitivity = sum(quotients) / 2
        loss = agreement + on_variants / 2 + penalty * sensitivity
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return agreement.item(), sensitivity.item()

    def same(self, count, penalty):
        started = time.perf_counter()
        for _ in range(count):
            x = self.batch()
            rows, distances = self.variants(x)
            with torch.no_grad():
                target = self.teacher(x).softmax(1)
            self.step(torch.cat([x, *rows]), target, distances, penalty)
        return {"seconds": time.perf_counter() - started}

    def given(self, penalty, passes):
        """Steps on batches that the other side has made."""
        self.reset()
        stacked, target, distances = (self.prepared[name] for name in ("x", "target", "distances"))
        started = time.perf_counter()
        results = [
            self.step(stacked[i], target[i], distances[i], penalty)
            for _ in range(passes)
            for i in range(len(stacked))
        ]
        return {"seconds": time.perf_counter() - started, "results": results[: len(stacked)]}

    def copies_ahead(self, rows, perturbations):
        """[(copies of all rows, lengths of their noise)], made row by row."""
        made = []
        for _ in range(perturbations):
            pairs = [self.perturbed(row.unsqueeze(0)) for row in rows]
            made.append((torch.cat([moved for moved, _ in pairs]), torch.cat([norms for _, norms in pairs])))
        return made

    def authors(self, count, perturbations, ahead):
        model = self.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
        chosen = torch.randint(len(self.rows), (count * BATCH,))
        rows = self.rows[chosen]
        started = time.perf_counter()
        copies = self.copies_ahead(rows, perturbations) if ahead else None
        for first in range(0, len(rows), BATCH):
            x = rows[first : first + BATCH]
            optimizer.zero_grad(set_to_none=True)
            output = model(x)
            total = 0
            for i in range(perturbations):
                if copies is None:
                    moved, norms = self.perturbed(x)
                else:
                    moved, norms = (part[first : first + BATCH] for part in copies[i])
                total = total + ((output - model(moved).detach()).norm(dim=1) / norms).sum()
            (total / perturbations).backward()
            optimizer.step()
        return {"seconds": time.perf_counter() - started}


run = None
for line in sys.stdin:
    request = json.loads(line)
    kind = request.pop("do")
    if kind == "open":
        run = Run(**request)
        answer = {}
    else:
        answer = getattr(run, kind)(**request)
    print(json.dumps(answer), flush=True)
