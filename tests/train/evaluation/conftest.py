"""A retrieval model of a few thousand numbers, and batches for it."""

import pytest


def small_text(settings=None, embedding_dim=16, *, with_weights=True):
    """A text encoder for letters, with dropout; called as ``build_text_encoder`` is."""
    from torch import nn

    from train.text.text_encoder import TextEncoder

    class SmallText(TextEncoder):
        def __init__(self):
            super().__init__()
            self.vectors = nn.Embedding(100, embedding_dim)
            self.dropout = nn.Dropout(0.5)

        def forward(self, text):
            return self.dropout(self.vectors(text.input_ids))

        def pretrained_parameters(self):
            return self.vectors.parameters()

        def use_gradient_checkpointing(self):
            pass

    return SmallText()


@pytest.fixture
def small_model():
    """RGB features of 6 numbers, at most 5 clips, sentences of 8 letters; text with dropout."""
    import torch

    from train.batches import ClipLayout
    from train.model.retrieval_model import RetrievalModel
    from train.settings import StreamSettings, TrainSettings

    torch.manual_seed(0)
    settings = TrainSettings(
        embedding_dim=16, streams=StreamSettings(width=64, layers=1, initial="random")
    )
    return RetrievalModel(settings, "rgb", ClipLayout(5, 16, 6), small_text())


@pytest.fixture
def sign_batches():
    """Batches of 3, 3 and 1 videos."""
    import torch

    from train.batches import SignBatch

    generator = torch.Generator().manual_seed(1)
    batches = []
    for size in (3, 3, 1):
        clip_is_real = torch.arange(5) < torch.randint(1, 6, (size, 1), generator=generator)
        rgb = torch.randn(size, 5, 6, generator=generator) * clip_is_real[..., None]
        batches.append(SignBatch(clip_is_real, None, rgb))
    return batches


@pytest.fixture
def letters():
    """A tokenizer whose words are letters."""
    return LetterTokenizer()


class LetterTokenizer:
    unknown_token = None

    def __call__(self, sentences):
        import torch

        from train.batches import TextBatch

        codes = [[ord(letter) - 32 for letter in s[:8]] for s in sentences]
        padded = [ids + [0] * (8 - len(ids)) for ids in codes]
        is_real = [[n < len(ids) for n in range(8)] for ids in codes]
        return TextBatch(torch.tensor(padded), torch.tensor(is_real))

    def num_too_long(self, sentences):
        return sum(len(sentence) > 8 for sentence in sentences)

    def pieces(self, sentence):
        from train.text.pieces import SentencePieces

        kept = tuple(sentence[:8])
        return SentencePieces(kept, tuple(range(len(kept))), kept, (), len(sentence) - len(kept))


@pytest.fixture
def evaluated():
    """A model's scores on 4 videos of 3 sentences; ``fusion`` knows the answers, ``rgb`` not."""
    import numpy as np

    from train.evaluation.load_model import EvaluatedModel
    from train.evaluation.metrics import SplitScores, build_gallery

    gallery = build_gallery("test", ["v0", "v1", "v2", "v3"], ["sun", "rain", "sun", "[wind]"])
    right = np.eye(3, dtype=np.float32)[gallery.text_of_video]
    rough = np.array([[0.2, 0.1, 0.1], [0.3, 0.1, 0.4], [0.1, 0.2, 0.1], [0, 0.1, 0.1]], np.float32)
    scores = SplitScores(gallery, {"fusion": right, "rgb": rough})
    return EvaluatedModel("runs/[a]", {"stage": "fusion", "seed": 1}, scores)


@pytest.fixture(scope="session")
def tiny_settings():
    """Settings of a whole model that fits the small stores."""
    from train.settings import TrainSettings

    return TrainSettings.model_validate(
        {
            "data": {"workers": 0, "train_split": "train", "validation_split": "dev"},
            "embedding_dim": 16,
            "pose_encoder": {"width": 16},
            "streams": {"width": 64, "layers": 1, "initial": "random"},
            "cgaf": {"neighbours": [3], "heads": 2, "hidden": 32},
            "evaluation": {"batch_size": 4},
        }
    )


@pytest.fixture
def small_data(tmp_path):
    """Paths of an index of 8 videos and of their stores."""
    from reference.small_stores import small_data_set

    return small_data_set(tmp_path)


@pytest.fixture
def make_run(tmp_path, tiny_settings, small_data, monkeypatch):
    """Makes the folder of a run, with a checkpoint of random weights and letters for words."""
    from dataclasses import asdict

    import torch

    from train.checkpoints.run_checkpoint import RunCheckpoint, write_checkpoint
    from train.data.retrieval_data import open_data
    from train.evaluation import evaluate, load_model
    from train.model.retrieval_model import RetrievalModel
    from train.settings import TrainSettings

    monkeypatch.setattr(load_model, "build_text_encoder", small_text)
    monkeypatch.setattr(evaluate, "build_tokenizer", lambda settings: LetterTokenizer())

    def make(name, seed=0, stage="rgb", rules="custom"):
        torch.manual_seed(seed)
        values = tiny_settings.model_dump(mode="json")
        values["keypoints"]["rules"] = rules
        values["data"] |= {kind: str(path) for kind, path in small_data.items()}
        settings = TrainSettings.model_validate(values)
        data = open_data(settings, stage, **small_data)
        model = RetrievalModel(settings, stage, data.layout, small_text())
        checkpoint = RunCheckpoint(
            stage=stage, seed=seed, settings=settings.model_dump(mode="json"),
            layout=asdict(data.layout), provenance=data.provenance, training_videos="", versions={},
            position={"epoch": 3, "step_in_epoch": 0, "step": 9}, best_score=12.5,
            model=model.state_dict(), optimiser={}, scaler={}, random_states=[],
        )  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        write_checkpoint(folder / "best.pt", checkpoint)
        return folder

    return make
