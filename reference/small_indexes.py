"""Small indexes for tests of searching: of made-up tokens, and of a small run's real ones."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from reference.small_stores import small_data_set
from search.index.changes import NewEntry, NewSentence
from search.index.identity import IndexIdentity
from search.index.records import EntryRecord
from search.index.writer import open_writer
from search.results import Span
from search.settings import SearchSettings
from train.batches import ClipLayout
from train.checkpoints.run_checkpoint import Position, RunCheckpoint, write_checkpoint
from train.data.retrieval_data import open_data
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.text_encoder import build_text_encoder

DIM = 16
SLOTS = 6
WORDS = 8
SENTENCES = ["good morning", "rain in the north", "the sun", "wind", "it is cold today"]
SIGNERS = ["anna", "ben", "chris"]


def made_up_identity(padding="masked", checkpoint="a", windows=None, **search):
    """Of a model that does not exist."""
    settings = {"embedding_dim": DIM, "similarity": {"padding": padding}}
    return IndexIdentity(
        checkpoint_sha256=checkpoint * 64,
        run=Path("/runs/made-up"),
        which="best",
        stage="fusion",
        settings=TrainSettings.model_validate(settings),
        layout=ClipLayout(SLOTS, 16, 8),
        trained_on={},
        search=SearchSettings(**search),
        windows=windows,
    )


def unit_tokens(count, generator):
    """Random tokens of unit length."""
    tokens = generator.normal(size=(count, DIM))
    return (tokens / np.linalg.norm(tokens, axis=1, keepdims=True)).astype(np.float16)


def made_up_record(video_id, text="", span=None, num_clips=2, **columns):
    """A video of two seconds a clip."""
    starts = np.arange(num_clips, dtype=np.float32)[:, None] * 2
    return EntryRecord(
        video_id=video_id,
        path=Path(f"/videos/{video_id}.mp4"),
        text=text,
        span=span,
        duration=2.0 * num_clips,
        columns=columns,
        clip_spans=np.concatenate([starts, starts + 2], axis=1),
    )


def made_up_entry(video_id, generator, text="", span=None, padding="masked", **columns):
    """A video of a few clips; with padding ``published`` all slots are kept."""
    num_real = 1 + int(generator.integers(1, SLOTS + 1))
    count = 1 + SLOTS if padding == "published" else num_real
    record = made_up_record(video_id, text, span, num_clips=num_real - 1, **columns)
    return NewEntry(record, f"rows of {video_id}", unit_tokens(count, generator), num_real)


def made_up_sentence(text, generator, padding="masked"):
    """A sentence of a few words."""
    num_real = min(WORDS, 2 + len(text.split()))
    count = WORDS if padding == "published" else num_real
    return NewSentence(text, unit_tokens(count, generator), num_real)


def made_up_entries(num_videos, generator, padding="masked", first=0):
    """Videos v0, v1, ... with sentences, splits and signers; every fifth has no sentence."""
    return [
        made_up_entry(
            f"v{number}",
            generator,
            "" if number % 5 == 4 else SENTENCES[number % len(SENTENCES)],
            padding=padding,
            split="train" if number % 2 else "test",
            signer=SIGNERS[number % len(SIGNERS)],
        )
        for number in range(first, first + num_videos)
    ]


def made_up_index(path, num_videos=20, padding="masked", seed=0, identity=None):
    """Makes an index of random tokens and returns its path."""
    generator = np.random.default_rng(seed)
    identity = identity or made_up_identity(padding)
    sentences = [made_up_sentence(text, generator, padding) for text in SENTENCES]
    with open_writer(path, create=identity) as writer:
        writer.append(made_up_entries(num_videos, generator, padding), sentences)
    return path


def made_up_windows(path, recordings=2, windows=5, seed=0):
    """Makes an index of windows of 4 seconds, every 2 seconds, of recordings r0, r1, ..."""
    from search.index.identity import Windows

    generator = np.random.default_rng(seed)
    entries = [
        made_up_entry(f"r{number}", generator, span=Span(2.0 * window, 2.0 * window + 4))
        for number in range(recordings)
        for window in range(windows)
    ]
    with open_writer(path, create=made_up_identity(windows=Windows(4.0, 2.0))) as writer:
        writer.append(entries)
    return path


RUN_SETTINGS = {
    "data": {"workers": 0},
    "keypoints": {"max_frames": 40, "max_clips": 6},
    "embedding_dim": 64,
    "text": {"encoder": "clip", "weights": "random", "max_words": 12, "width": 64, "layers": 1},
    "pose_encoder": {"width": 8},
    "streams": {"width": 64, "layers": 1, "initial": "random"},
    "cgaf": {"neighbours": [3], "heads": 2, "hidden": 32},
    "evaluation": {"batch_size": 4},
}


def small_run(folder, stage="fusion", name="run", padding="masked", seed=0, data=None, **keypoints):
    """Writes the checkpoint of an untrained small model, as a run's folder; returns its path.

    ``data`` are paths of ``index``, ``rgb`` and ``pose``; without it, the small stores are made.
    ``keypoints`` are settings of the section of that name.
    """
    import torch

    data = data or small_data_set(folder)
    values = RUN_SETTINGS | {
        "data": RUN_SETTINGS["data"] | data,
        "keypoints": RUN_SETTINGS["keypoints"] | keypoints,
        "similarity": {"padding": padding},
    }
    settings = TrainSettings.model_validate(values)
    torch.manual_seed(seed)
    opened = open_data(settings, stage, index=data["index"], rgb=data["rgb"], pose=data["pose"])
    text = build_text_encoder(settings.text, settings.embedding_dim)
    model = RetrievalModel(settings, stage, opened.layout, text)
    run = folder / name
    run.mkdir(parents=True)
    checkpoint = RunCheckpoint(
        stage=stage,
        seed=seed,
        settings=settings.model_dump(mode="json"),
        layout=asdict(opened.layout),
        provenance=opened.provenance,
        training_videos="",
        versions={},
        position=asdict(Position()),
        best_score=None,
        model=model.state_dict(),
        optimiser={},
        scaler={},
        random_states=[],
    )
    write_checkpoint(run / "best.pt", checkpoint)
    return run


def small_index(folder, **options):
    """Builds the index of a small run over the small stores, in a folder; returns its path.

    Options are those of ``small_run``. The run is ``folder/run``, the index ``folder/index``.
    """
    from search.index.build import build_index

    run = small_run(folder, **options)
    build_index(folder / "index", run=run, devices="cpu")
    return folder / "index"
