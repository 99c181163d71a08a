"""JAX: jitted functions; the state of a training step is donated, so updated in place."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.problem import (
    Counter,
    Formula,
    Gradient,
    Inference,
    Program,
    Sampling,
    Training,
)


class Names:
    """What formulas call, by jax.numpy."""

    tanh, exp, log, sum, mean, dot = (
        jnp.tanh,
        jnp.exp,
        jnp.log,
        jnp.sum,
        jnp.mean,
        jnp.dot,
    )
    sigmoid, softmax = jax.nn.sigmoid, jax.nn.softmax
    reshape, sort, cumsum, solve = jnp.reshape, jnp.sort, jnp.cumsum, jnp.linalg.solve

    @staticmethod
    def convolve(x: Any, w: Any, border: int) -> Any:
        return jax.lax.conv_general_dilated(x, w, (1, 1), [(border, border)] * 2)

    @staticmethod
    def pool(x: Any) -> Any:
        square = (1, 1, 2, 2)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, square, square, "VALID")

    @staticmethod
    def relu(x: Any) -> Any:
        return jnp.maximum(x, 0)

    @staticmethod
    def nll(scores: Any, classes: Any) -> Any:
        rows = jnp.arange(len(classes))
        return -jnp.mean(jax.nn.log_softmax(scores, axis=1)[rows, classes])

    @staticmethod
    def scan(step: Any, sequences: Any, states: Any, constants: Any) -> Any:
        def body(states: Any, elements: Any) -> Any:
            states = step(*elements, *states, *constants)
            return states, states

        return jax.lax.scan(body, [jnp.asarray(s) for s in states], sequences)[1]

    @staticmethod
    def repeat(step: Any, steps: int, x: Any, *constants: Any) -> Any:
        return jax.lax.fori_loop(0, steps, lambda _, x: step(x, *constants), x)


class Jax:
    names = Names
    version = jax.__version__

    def formula(self, problem: Formula) -> Program:
        compiled = jax.jit(lambda *arrays: problem.compute(Names, *arrays))
        arrays = tuple(map(jnp.asarray, problem.arrays))
        return Program(
            lambda *arguments: compiled(*arguments).block_until_ready(),
            lambda result: [np.asarray(result)],
            arrays,
        )

    def counter(self, problem: Counter) -> Program:
        compiled = jax.jit(lambda count: count + 1, donate_argnums=0)
        count = jnp.asarray(0)

        def step() -> Any:
            nonlocal count
            count = compiled(count).block_until_ready()

        return Program(step, lambda _: [np.asarray(count)])

    def gradient(self, problem: Gradient) -> Program:
        compiled = jax.jit(
            jax.value_and_grad(lambda p, *arrays: problem.loss(Names, p, *arrays))
        )
        arrays = tuple(map(jnp.asarray, problem.arrays))
        parameters = [jnp.asarray(parameter) for parameter in problem.parameters]
        return Program(
            lambda *arguments: jax.block_until_ready(compiled(*arguments)),
            lambda out: [np.asarray(out[0]), *map(np.asarray, out[1])],
            (parameters, *arrays),
        )

    def inference(self, problem: Inference) -> Program:
        compiled = jax.jit(lambda p, *arrays: problem.compute(Names, p, *arrays))
        arrays = tuple(map(jnp.asarray, problem.arrays))
        parameters = [jnp.asarray(parameter) for parameter in problem.parameters]
        return Program(
            lambda *arguments: compiled(*arguments).block_until_ready(),
            lambda result: [np.asarray(result)],
            (parameters, *arrays),
        )

    def sampling(self, problem: Sampling) -> Program:
        step, data = make_contrast(problem), jnp.asarray(problem.data)
        parameters = [jnp.array(parameter) for parameter in problem.parameters]
        state, indices = (parameters, jax.random.key(7)), problem.indices()

        def call() -> None:
            nonlocal state
            state = jax.block_until_ready(step(state, data, next(indices)))

        return Program(call, lambda _: problem.moved(state[0]))

    def training(self, problem: Training) -> Program:
        step = make_step(problem)
        data, labels = jnp.asarray(problem.data), jnp.asarray(problem.labels)
        parameters = [jnp.array(parameter) for parameter in problem.parameters]
        moving = problem.parameters if problem.momentum else []
        state = parameters, [jnp.zeros_like(parameter) for parameter in moving]
        indices = problem.indices()

        def call() -> Any:
            nonlocal state
            state, loss = step(state, data, labels, next(indices))
            return loss.block_until_ready()

        return Program(call, lambda loss: problem.moved(loss, state[0]))


def make_step(problem: Training) -> Any:
    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return problem.loss(Names, parameters, x, y, *problem.constants)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: Any, data: Any, labels: Any, index: Any) -> Any:
        parameters, velocities = state
        start = index * problem.batch
        x = jax.lax.dynamic_slice_in_dim(data, start, problem.batch)
        y = jax.lax.dynamic_slice_in_dim(labels, start, problem.batch)
        value, gradients = jax.value_and_grad(loss)(parameters, x, y)
        changes = [-problem.rate * gradient for gradient in gradients]
        if problem.momentum:
            changes = [problem.momentum * v + c for v, c in zip(velocities, changes)]
            velocities = changes
        moved = [p + c for p, c in zip(parameters, changes)]
        return (moved, velocities), value

    return step


def make_contrast(problem: Sampling) -> Any:
    """Contrastive divergence with the gradients written out, which is less work for JAX
    than differentiating the free energy."""

    def up(units: Any, parameters: Any) -> Any:
        weights, _, hidden = parameters
        return jax.nn.sigmoid(units @ weights + hidden)

    def draw(key: Any, chances: Any) -> Any:
        uniform = jax.random.uniform(key, chances.shape, chances.dtype)
        return (uniform < chances).astype(chances.dtype)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: Any, data: Any, index: Any) -> Any:
        parameters, key = state
        weights, visible, _ = parameters
        first = jax.lax.dynamic_slice_in_dim(data, index * problem.batch, problem.batch)
        above = up(first, parameters)

        def turn(chain: Any, key: Any) -> Any:
            _, chances = chain
            one, two = jax.random.split(key)
            hidden = draw(one, chances)
            units = draw(two, jax.nn.sigmoid(hidden @ weights.T + visible))
            return (units, up(units, parameters)), None

        key, *keys = jax.random.split(key, problem.steps + 1)
        (last, above_last), _ = jax.lax.scan(turn, (first, above), jnp.stack(keys))
        rate = problem.rate / problem.batch
        changes = (
            first.T @ above - last.T @ above_last,
            jnp.sum(first - last, axis=0),
            jnp.sum(above - above_last, axis=0),
        )
        return [p + rate * c for p, c in zip(parameters, changes)], key

    return step


def load() -> Jax:
    jax.config.update("jax_enable_x64", True)
    return Jax()
