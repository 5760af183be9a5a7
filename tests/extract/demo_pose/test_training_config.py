"""The recipe: seeds that never meet, a schedule that ends with the training."""

from pathlib import Path

from extract.demo_pose import training_config
from extract.demo_pose.training_config import HELD_OUT_FIRST_SEED, TRAINING_FIRST_SEED
from extract.synthetic.corpus import SyntheticCorpus, plan_corpus


def test_training_held_out_and_corpora_share_no_signer():
    """Two samples share a signer; the whole training uses few of the ten million seeds."""
    num_signers = (
        training_config.BATCH_SIZE
        * training_config.ITERATIONS_PER_EPOCH
        * training_config.NUM_EPOCHS
    )
    assert TRAINING_FIRST_SEED + num_signers < HELD_OUT_FIRST_SEED
    largest = SyntheticCorpus(num_sentences=1, train_signers=900, test_signers=40, seed=9_999)
    assert max(video.signer_seed for video in plan_corpus(largest)) < TRAINING_FIRST_SEED


def test_the_learning_rate_falls_until_the_last_step():
    config = training_config.training_config(Path("unused"))
    warm_up, cosine = config.param_scheduler
    steps = config.train_cfg.max_epochs * training_config.ITERATIONS_PER_EPOCH
    assert warm_up["end"] < cosine["begin"] < cosine["end"] == steps
    assert cosine["begin"] + cosine["T_max"] == steps


def test_validation_keeps_the_signers_height():
    config = training_config.training_config(Path("unused"))
    packing = config.val_dataloader.dataset.pipeline[-1]
    assert packing.type == "PackPoseInputs"
    assert "signer_height" in packing.meta_keys
    assert config.default_hooks.checkpoint.save_best == "error/all"
