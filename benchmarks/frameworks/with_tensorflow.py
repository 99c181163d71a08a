"""TensorFlow: functions traced once, state in variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.frameworks import THREADS
from benchmarks.problem import Counter, Formula, Program, Training


class Names:
    """What formulas call, by TensorFlow."""

    tanh, exp, log, dot = tf.tanh, tf.exp, tf.math.log, tf.matmul
    sum, mean = tf.reduce_sum, tf.reduce_mean
    sigmoid, relu, softmax = tf.sigmoid, tf.nn.relu, tf.nn.softmax

    @staticmethod
    def nll(scores: Any, classes: Any) -> Any:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, scores)
        return tf.reduce_mean(losses)


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


def load() -> TensorFlow:
    tf.config.threading.set_intra_op_parallelism_threads(int(THREADS))
    return TensorFlow()
