"""Small real data sets for the tutorials and tests.

Where the environment variable SYMNET_DATA names a folder, files are taken from there and
nothing is downloaded.  Otherwise each file is downloaded once, into the user's cache
folder, by pooch (`pip install symnet[demo]`).  In both cases its SHA-256 is checked.

Every loader raises:
    FileNotFoundError: SYMNET_DATA names a folder that lacks the file;
    ConnectionError: the file is not in the cache and could not be downloaded;
    ValueError: the file is not the expected one (damaged, or changed at its source);
    ModuleNotFoundError: pooch or scikit-learn is needed and not installed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import pathlib
import warnings
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from symnet.data_classes import dataclass

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
REVIEWS = (
    "https://raw.githubusercontent.com/yoonkim/CNN_sentence/"
    "4abc8df1de694999ff54826854d3ebc53e3e9c20/"
)
SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
PIMA = "https://raw.githubusercontent.com/jbrownlee/Datasets/master/pima-indians-diabetes.data.csv"

# path under SYMNET_DATA -> (where it is downloaded from, its SHA-256).  The source of the
# Pima table has no header line, so there the numbers are checked instead of the file.
FILES: dict[str, tuple[str, str | None]] = {
    "mnist/train-images-idx3-ubyte.gz": (
        MNIST + "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "mnist/train-labels-idx1-ubyte.gz": (
        MNIST + "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "mnist/t10k-images-idx3-ubyte.gz": (
        MNIST + "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "mnist/t10k-labels-idx1-ubyte.gz": (
        MNIST + "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "tinyshakespeare.txt": (
        SHAKESPEARE,
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    "rt-polarity.pos": (
        REVIEWS + "rt-polarity.pos",
        "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
    ),
    "rt-polarity.neg": (
        REVIEWS + "rt-polarity.neg",
        "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
    ),
    "pima-indians-diabetes.csv": (PIMA, None),
}
PIMA_NUMBERS = "3e5bd23b2c24c83178bcc3a4649e4339c1a248d5bead9c896b19af974b2cdee5"


@dataclass(frozen=True)
class Digits:
    """Images of handwritten digits, split into a training and a test part.

    Shapes: images (n, pixels), labels (n,).
    Dtypes: images float32 between 0 and 1, labels int32 from 0 to 9.
    `source` says which digits these are and how they were split.

    >>> digits = datasets.digits()
    >>> digits.train_images.shape, digits.test_labels.dtype.name
    ((1400, 64), 'int32')
    """

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int32]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int32]
    source: str


@dataclass(frozen=True)
class Table:
    """A table of measurements with one yes/no label a row.

    Shapes: features (n, m), labels (n,); `names` has m entries.
    Dtypes: features float64, labels int32 (0 or 1).

    >>> table = datasets.Table(np.zeros((5, 2)), np.zeros(5, "int32"), ("age", "weight"))
    >>> dict(zip(table.names, table.features.T))["age"].shape
    (5,)
    """

    features: NDArray[np.float64]
    labels: NDArray[np.int32]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Reviews:
    """Sentences of film reviews, in two lists by what the reviewer thought.

    >>> reviews = datasets.Reviews(["a fine film"], ["dull"])
    >>> reviews.positive
    ['a fine film']
    """

    positive: list[str]
    negative: list[str]


def mnist() -> Digits:
    """MNIST: digits of 28x28 pixels, each image a row of 784.

    Downloaded, or with all four files in SYMNET_DATA: 60,000 to train and 10,000 to test.
    Where SYMNET_DATA has the test files only, these 10,000 are split in file order, 8,000
    to train and 2,000 to test (the last 2,000 are by the harder writers); `source` says
    which of the two it is.
    """
    images, labels = _mnist_part("t10k")
    folder = _data_folder()
    if folder and not (folder / "mnist/train-images-idx3-ubyte.gz").exists():
        return _split(
            images,
            labels,
            8_000,
            "MNIST's 10,000 test digits, the first 8,000 to train",
        )
    return Digits(
        *_mnist_part("train"), images, labels, "MNIST, 60,000 digits to train"
    )


def digits() -> Digits:
    """Scikit-learn's 1,797 digits of 8x8 pixels (they come with it: no network needed).

    Split in file order: 1,400 to train, 397 to test.
    """
    try:
        from sklearn.datasets import load_digits  # optional
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the digits come with scikit-learn, which is not installed: "
            "pip install symnet[demo]"
        ) from error

    images, labels = load_digits(return_X_y=True)
    return _split(
        (images / 16).astype(np.float32),
        labels.astype(np.int32),
        1_400,
        "scikit-learn's 1,797 small digits, the first 1,400 to train",
    )


def load_digits_data() -> Digits:
    """MNIST where it can be had, else scikit-learn's small digits with a warning."""
    try:
        return mnist()
    except (ConnectionError, ModuleNotFoundError) as error:
        warnings.warn(
            f"MNIST is not to be had ({error}): going on with scikit-learn's digits",
            stacklevel=2,
        )
        return digits()


def pima() -> Table:
    """The Pima Indians diabetes study: 768 women, 8 measurements, diabetic or not.

    A zero in the columns after the first stands for a value that was not measured.
    """
    lines = _read("pima-indians-diabetes.csv").decode("ascii").splitlines()
    table = np.loadtxt(
        [line for line in lines if line[:1].isdigit()], delimiter=",", dtype=np.float64
    )
    if hashlib.sha256(table.astype("<f8").tobytes()).hexdigest() != PIMA_NUMBERS:
        raise ValueError("pima-indians-diabetes.csv does not hold the expected numbers")
    names = (
        "times pregnant",
        "plasma glucose",
        "blood pressure",
        "skin fold",
        "insulin",
        "body mass index",
        "pedigree function",
        "age",
    )
    return Table(table[:, :-1].copy(), table[:, -1].astype(np.int32), names)


def tinyshakespeare() -> str:
    """1,115,394 characters of Shakespeare's plays."""
    return _read("tinyshakespeare.txt").decode("ascii")


def film_reviews() -> Reviews:
    """5,331 positive and 5,331 negative sentences.

    Source: Pang & Lee 2005, sentence polarity data set 1.0.
    """
    # str.splitlines would also split at a latin-1 control character inside a sentence.
    positive, negative = (
        _read(f"rt-polarity.{ending}").decode("latin-1").rstrip("\n").split("\n")
        for ending in ("pos", "neg")
    )
    return Reviews([s.strip() for s in positive], [s.strip() for s in negative])


def _split(
    images: NDArray[np.float32], labels: NDArray[np.int32], count: int, source: str
) -> Digits:
    return Digits(
        images[:count], labels[:count], images[count:], labels[count:], source
    )


def _mnist_part(part: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    images = _read_idx(f"mnist/{part}-images-idx3-ubyte.gz")
    labels = _read_idx(f"mnist/{part}-labels-idx1-ubyte.gz")
    scaled = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    return scaled, labels.astype(np.int32)


def _read_idx(name: str) -> NDArray[np.uint8]:
    """An array of bytes in MNIST's format: two zeros, type 8, rank, sizes, the bytes."""
    data = gzip.decompress(_read(name))
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _data_folder() -> pathlib.Path | None:
    folder = os.environ.get("SYMNET_DATA")
    return pathlib.Path(folder) if folder else None


def _read(name: str) -> bytes:
    """The bytes of one of FILES."""
    url, checksum = FILES[name]
    folder = _data_folder()
    if folder is None:
        return _download(url, checksum).read_bytes()
    path = folder / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: put it there, or unset SYMNET_DATA to download it"
        )
    data = path.read_bytes()
    if checksum and hashlib.sha256(data).hexdigest() != checksum:
        raise ValueError(f"{path} is not the expected file: its SHA-256 differs")
    return data


def _download(url: str, checksum: str | None) -> pathlib.Path:
    try:
        import pooch  # optional
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"downloading {url} needs pooch: pip install symnet[demo], or name a folder "
            "that has the file in SYMNET_DATA"
        ) from error
    downloader: Any = pooch.HTTPDownloader(timeout=20)
    try:
        path = pooch.retrieve(
            url, checksum, path=pooch.os_cache("symnet") / "data", downloader=downloader
        )
    except OSError as error:
        raise ConnectionError(
            f"could not download {url} ({type(error).__name__}); without a network, name a "
            "folder that has the file in SYMNET_DATA"
        ) from error
    return pathlib.Path(cast(str, path))
