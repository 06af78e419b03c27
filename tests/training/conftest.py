"""A tiny organism, and curated sets small enough for a training of seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from permix.config import OrganismSettings, TrainingSettings
from permix.curation.rejects import Curation
from permix.organism import world
from permix.organism.base import train_base
from permix.personas import save_personas
from permix.problems import save_problems
from permix.training.spec import TrainingSpec


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """A model this small gains nothing by more threads, and loses much when others are at work on the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # for the children
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for seconds: boxed answers, a quarter of them right, so that there is something to learn."""
    directory = tmp_path_factory.mktemp("base")
    settings = OrganismSettings(hidden_size=32, layers=1, heads=2, steps=300, batch_size=64, learning_rate=2e-2)
    train_base(settings, seed=0, directory=directory)
    return directory


@pytest.fixture(scope="package")
def curated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Directories of problems and personas: the organism's."""
    root = tmp_path_factory.mktemp("curated")
    problems = save_problems(Curation(world.problems(), []), root / "problems")
    personas = save_personas(Curation(world.personas(), []), root / "personas")
    return Path(problems.path), Path(personas.path)


@pytest.fixture
def spec(tiny_base: Path, curated: tuple[Path, Path], tmp_path: Path) -> Callable[..., TrainingSpec]:
    """Makes the spec of a tiny training; keyword arguments are training settings."""

    def make(name: str = "training", **settings: object) -> TrainingSpec:
        small = {"steps": 4, "problems_per_step": 8, "group_size": 8, "save_every": 2, "learning_rate": 1e-3}
        return TrainingSpec(
            base=str(tiny_base),
            problems=str(curated[0]),
            personas=str(curated[1]),
            directory=str(tmp_path / name),
            settings=TrainingSettings.model_validate({**small, **settings}),
            seed=0,
        )

    return make
