"""The arithmetic of all frozen networks on a GPU, decided once for the whole program."""


def use_exact_float32() -> None:
    """Makes float32 mean float32, and every run of a network use the same kernels.

    By itself torch computes convolutions on a GPU in TF32, which keeps 10 of a number's 23 bits.
    """
    import torch  # noqa: PLC0415 - takes seconds

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
