"""A step of stochastic gradient descent in PyTorch, eager mode. One JSON request a line on standard input."""

import json
import sys
import time

import torch
from torch.nn import functional as F

import tensor_file
from networks import NETWORKS

torch.set_num_threads(int(sys.argv[1]))


class Run:
    def __init__(self, network, tensors, training, rate, momentum):
        contents = tensor_file.read(tensors)
        self.x, self.labels = contents.pop("x"), contents.pop("labels")
        self.model = NETWORKS[network]()
        missing = self.model.load_state_dict(contents, strict=False)
        assert not missing.unexpected_keys, missing
        assert all(name.endswith("num_batches_tracked") for name in missing.missing_keys), missing
        self.model.train(training)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate, momentum=momentum)

    def loss(self):
        return F.cross_entropy(self.model(self.x), self.labels)

    def gradients(self, path):
        """Loss and gradients at the first weights; the running statistics are left as they were."""
        state = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        self.model.load_state_dict(state)
        found = {f"grad.{name}": value.grad for name, value in self.model.named_parameters()}
        tensor_file.write(path, {"loss": loss.detach(), **found})
        return {}

    def steps(self, count):
        started = time.perf_counter()
        for _ in range(count):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss()
            loss.backward()
            self.optimizer.step()
        value = loss.item()
        return {"seconds": time.perf_counter() - started, "loss": value}


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
