"""TensorFlow: functions traced once, state in variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.frameworks import THREADS
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
    """What formulas call, by TensorFlow."""

    tanh, exp, log, dot = tf.tanh, tf.exp, tf.math.log, tf.matmul
    sum, mean = tf.reduce_sum, tf.reduce_mean
    sigmoid, relu, softmax = tf.sigmoid, tf.nn.relu, tf.nn.softmax

    reshape = tf.reshape

    @staticmethod
    def convolve(x: Any, w: Any, border: int) -> Any:
        """On the CPU TensorFlow has convolutions with channels last only."""
        x, w = tf.transpose(x, (0, 2, 3, 1)), tf.transpose(w, (2, 3, 1, 0))
        y = tf.nn.conv2d(x, w, 1, [[0, 0], [border] * 2, [border] * 2, [0, 0]])
        return tf.transpose(y, (0, 3, 1, 2))

    @staticmethod
    def pool(x: Any) -> Any:
        y = tf.nn.max_pool2d(tf.transpose(x, (0, 2, 3, 1)), 2, 2, "VALID")
        return tf.transpose(y, (0, 3, 1, 2))

    @staticmethod
    def nll(scores: Any, classes: Any) -> Any:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, scores)
        return tf.reduce_mean(losses)

    @staticmethod
    def scan(step: Any, sequences: Any, states: Any, constants: Any) -> Any:
        """Written out step by step, which is faster here than tf.scan."""
        states, history = [tf.constant(state) for state in states], []
        for elements in zip(*map(tf.unstack, sequences)):
            states = step(*elements, *states, *constants)
            history.append(states)
        return [tf.stack(states) for states in zip(*history)]

    @staticmethod
    def repeat(step: Any, steps: int, x: Any, *constants: Any) -> Any:
        turns = tf.range(steps)
        return tf.foldl(lambda x, _: step(x, *constants), turns, initializer=x)


class TensorFlow:
    names = Names
    version = tf.__version__

    def formula(self, problem: Formula) -> Program:
        compiled = tf.function(lambda *arrays: problem.compute(Names, *arrays))
        arrays = tuple(map(tf.constant, problem.arrays))
        return Program(compiled, lambda result: [result.numpy()], arrays)

    def counter(self, problem: Counter) -> Program:
        count = tf.Variable(0, dtype=tf.int64)
        step = tf.function(lambda: count.assign_add(1))
        return Program(step, lambda _: [count.numpy()])

    def gradient(self, problem: Gradient) -> Program:
        parameters = [tf.Variable(parameter) for parameter in problem.parameters]

        @tf.function
        def compiled(*arrays: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = problem.loss(Names, parameters, *arrays)
            return [loss, *tape.gradient(loss, parameters)]

        arrays = tuple(map(tf.constant, problem.arrays))
        return Program(compiled, lambda out: [part.numpy() for part in out], arrays)

    def inference(self, problem: Inference) -> Program:
        parameters = [tf.Variable(parameter) for parameter in problem.parameters]
        compiled = tf.function(lambda *a: problem.compute(Names, parameters, *a))
        arrays = tuple(map(tf.constant, problem.arrays))
        return Program(compiled, lambda result: [result.numpy()], arrays)

    def sampling(self, problem: Sampling) -> Program:
        parameters = [tf.Variable(parameter) for parameter in problem.parameters]
        step = make_contrast(problem, parameters)
        numbers = map(tf.constant, map(np.int32, problem.indices()))
        return Program(
            lambda: step(next(numbers)),
            lambda _: problem.moved([p.numpy() for p in parameters]),
        )

    def training(self, problem: Training) -> Program:
        parameters = [tf.Variable(parameter) for parameter in problem.parameters]
        step = make_step(problem, parameters)
        numbers = map(tf.constant, map(np.int32, problem.indices()))
        return Program(
            lambda: step(next(numbers)),
            lambda loss: problem.moved(loss, [p.numpy() for p in parameters]),
        )


def make_step(problem: Training, parameters: list[Any]) -> Any:
    data, labels = tf.constant(problem.data), tf.constant(problem.labels)
    velocities = [tf.Variable(tf.zeros_like(parameter)) for parameter in parameters]
    size = problem.batch

    @tf.function
    def step(index: Any) -> Any:
        x = data[index * size : (index + 1) * size]
        y = labels[index * size : (index + 1) * size]
        with tf.GradientTape() as tape:
            loss = problem.loss(Names, parameters, x, y, *problem.constants)
        gradients = tape.gradient(loss, parameters)
        for parameter, gradient, velocity in zip(parameters, gradients, velocities):
            change = -problem.rate * gradient
            if problem.momentum:
                change = velocity.assign(problem.momentum * velocity + change)
            parameter.assign_add(change)
        return loss

    return step


def make_contrast(problem: Sampling, parameters: list[Any]) -> Any:
    weights, visible, hidden = parameters
    data, size = tf.constant(problem.data), problem.batch
    rate = problem.rate / problem.batch

    def draw(chances: Any) -> Any:
        return tf.cast(tf.random.uniform(chances.shape) < chances, tf.float32)

    def up(units: Any) -> Any:
        return tf.sigmoid(tf.matmul(units, weights) + hidden)

    @tf.function
    def step(index: Any) -> None:
        first = data[index * size : (index + 1) * size]
        first = tf.ensure_shape(first, (size, None))
        units, above_now = first, up(first)
        above = above_now
        for _ in range(problem.steps):
            below = tf.matmul(draw(above_now), weights, transpose_b=True) + visible
            units = draw(tf.sigmoid(below))
            above_now = up(units)
        change = tf.matmul(first, above, transpose_a=True)
        change -= tf.matmul(units, above_now, transpose_a=True)
        weights.assign_add(rate * change)
        visible.assign_add(rate * tf.reduce_sum(first - units, axis=0))
        hidden.assign_add(rate * tf.reduce_sum(above - above_now, axis=0))

    return step


def load() -> TensorFlow:
    tf.config.threading.set_intra_op_parallelism_threads(int(THREADS))
    return TensorFlow()
