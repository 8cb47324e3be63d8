"""Trains a network for some steps, with dlrun and as PyTorch does it, and returns both lists of losses."""

import numpy as np
import torch

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Executor
from tests.parity.torch_twin import Twin, torch_loss, torch_optimizer

torch.set_num_threads(1)  # beside other work, its threads wait for each other more than they compute


class Run:
    """Layers, loss and optimizer over inputs (rows, ...) and targets, with weights drawn from a seed."""

    def __init__(self, layers, loss, optimizer, inputs, targets, classes=0, precision="float64", batch=32, seed=0):
        self.inputs, self.targets, self.batch, self.precision = inputs.astype(precision), targets, batch, precision
        self.loss, self.optimizer = loss, optimizer
        target = (
            Feature("target", (), "int32", "labels", tuple(map(str, range(classes))))
            if classes
            else Feature("target", targets.shape[1:], "float64")
        )
        signature = Signature({"x": Feature("x", inputs.shape[1:], "float64")}, {"target": target})
        paths = [("model", "layers", i) for i in range(len(layers))]
        self.model = Model(layers, paths, signature, loss)
        goal = Goal(training=True, gradients=True, keep=True, collect=False)
        self.plan = compile_plan(self.model, goal, OptimizerRule(optimizer), precision, batch, 2, seed)
        self.order = np.random.default_rng([seed, 2]).permutation(len(inputs))
        data = {
            "data/inputs/x": np.ascontiguousarray(self.inputs, np.float64),
            "data/targets/target": np.ascontiguousarray(targets, np.int32 if classes else np.float64),
            "order": self.order,
        }
        self.executor = Executor(self.plan, 2, data)
        self.weights = self._draw(seed)

    def _draw(self, seed):
        generator, weights = np.random.default_rng([seed, 1]), {}
        for node in self.model.graph().nodes.values():
            for variable in node.variables:
                array = variable.initializer.draw(variable, generator).astype(self.precision)
                self.executor.array(f"{node.name}/{variable.name}")[:] = array.ravel()
                weights[f"{node.name}/{variable.name}"] = array
        return weights

    def steps(self, count):
        """(first row, rows) of each step; the epoch's last step is shorter, and then it begins anew."""
        starts = range(0, len(self.inputs), self.batch)
        epoch = [(start, min(self.batch, len(self.inputs) - start)) for start in starts]
        return [epoch[step % len(epoch)] for step in range(count)]

    def train(self, count):
        """The losses of dlrun's steps."""
        losses = []
        for step, (first, rows) in enumerate(self.steps(count)):
            scalars = self.optimizer.scalars(np.array([step]), np.array([self.optimizer.learning_rate]))
            assert self.executor.run(np.array([[rows, step, first, 1, 1, 0]]), scalars).finished
            losses.append(float(self.executor.array("losses")[:rows].astype(np.float64).mean()))
        return np.array(losses)

    def train_torch(self, count):
        """The losses of PyTorch's steps, and the trained weights they led to, by name."""
        twin = Twin(self.model.graph(), self.weights, self.loss)
        optimizer = torch_optimizer(self.optimizer, twin.parameters.values())
        inputs, targets = torch.tensor(self.inputs), torch.tensor(np.asarray(self.targets))
        losses = []
        for first, rows in self.steps(count):
            index = torch.tensor(self.order[first : first + rows])
            optimizer.zero_grad()
            loss = torch_loss(self.loss, twin.outputs({"x": inputs[index]}), targets[index])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return np.array(losses), {name: tensor.detach().numpy() for name, tensor in twin.parameters.items()}
