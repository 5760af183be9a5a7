"""The recipe: seeds that never meet, a schedule that ends with the training."""

from pathlib import Path

from extract.demo import pose_training
from extract.demo.corpus import SyntheticCorpus, plan_corpus
from extract.demo.pose_training import HELD_OUT_FIRST_SEED, TRAINING_FIRST_SEED


def test_training_held_out_and_corpora_share_no_signer():
    """Two samples share a signer; the whole training uses few of the ten million seeds."""
    num_signers = (
        pose_training.BATCH_SIZE * pose_training.ITERATIONS_PER_EPOCH * pose_training.NUM_EPOCHS
    )
    assert TRAINING_FIRST_SEED + num_signers < HELD_OUT_FIRST_SEED
    largest = SyntheticCorpus(num_sentences=1, train_signers=900, test_signers=40, seed=9_999)
    assert max(video.signer_seed for video in plan_corpus(largest)) < TRAINING_FIRST_SEED


def test_the_learning_rate_falls_until_the_last_step():
    config = pose_training.training_config(Path("unused"))
    warm_up, cosine = config.param_scheduler
    steps = config.train_cfg.max_epochs * pose_training.ITERATIONS_PER_EPOCH
    assert warm_up["end"] < cosine["begin"] < cosine["end"] == steps
    assert cosine["begin"] + cosine["T_max"] == steps


def test_validation_keeps_the_signers_height():
    config = pose_training.training_config(Path("unused"))
    packing = config.val_dataloader.dataset.pipeline[-1]
    assert packing.type == "PackPoseInputs"
    assert "signer_height" in packing.meta_keys
    assert config.default_hooks.checkpoint.save_best == "error/all"
