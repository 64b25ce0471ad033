"""Fashion-MNIST: 70,000 grey pictures of clothes, 28x28 pixels, in ten classes (Xiao et al. 2017)."""

from __future__ import annotations

from nets import BlockConfig, CNNConfig, PreparationConfig, TrainingConfig
from nets.augment import AugmentConfig
from workbench.cluster import ClusterConfig
from workbench.data import DataConfig, SplitConfig
from workbench.data.sources import IdxSource
from workbench.experiments.experiment import Experiment
from workbench.experiments.shipped.sweeps import default_sweep


def fashion_mnist() -> Experiment:
    """Two blocks of convolutions; about 92 % on the test set after some minutes on two cores.

    The 31 MB are downloaded once. To use a copy: `--set data.source.path=PATH`.
    """
    return Experiment(
        name="fashion_mnist",
        description="Fashion-MNIST, a CNN of two blocks (downloads 31 MB once)",
        data=DataConfig(
            source=IdxSource(path="fashion-mnist"),
            split=SplitConfig(validation=0.1, test=0),
        ),
        preparation=PreparationConfig(method="standardize"),
        net=CNNConfig(
            blocks=(BlockConfig(channels=32), BlockConfig(channels=64)),
            dense=(128,),
            activation="relu",
            dropout=0.2,
        ),
        training=TrainingConfig(
            epochs=15,
            batch_size=128,
            learning_rate=3e-3,
            optimizer="adamw",
            weight_decay=1e-2,
            schedule="one_cycle",
            augment=AugmentConfig(flip=True),
        ),
        cluster=ClusterConfig(cpus_per_worker=2),
        sweep=default_sweep(learning_rate=(3e-4, 3e-2), batch_size=(64, 128, 256)),
    )
