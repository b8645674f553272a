"""Cases of operations: what PyTorch was given, and what it answered in float64, stored as float32."""

import torch


class Cases:
    """The tensors and the cases of one file, from a generator of its own."""

    def __init__(self):
        torch.manual_seed(0)
        self.tensors, self.cases = {}, []

    def add(self, kind, args, inputs, run, index=None, called=None):
        """
        Stores a case; `run` maps its inputs to its output. The gradient of the output is drawn, or 1 for a scalar. Cases are
        named by their kind, or by what is `called`: no two files have one name.
        """
        name = f"{called or kind}_{sum(case['kind'] == kind for case in self.cases)}"
        given = {key: value.double().requires_grad_() for key, value in inputs.items()}
        out = run(**given)
        grad_out = torch.randn(out.shape) if out.dim() > 0 else torch.ones(())
        out.backward(grad_out.double())
        stored = dict(inputs) if index is None else {**inputs, "target": index.int()}
        self.cases.append({"kind": kind, "name": name, "args": args, "inputs": list(stored)})
        stored.update(out=out.float(), grad_out=grad_out)
        stored.update({f"grad_{key}": value.grad.float() for key, value in given.items()})
        self.tensors.update({f"{name}.{key}": value for key, value in stored.items()})
