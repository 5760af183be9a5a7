"""``python -m train``, for launchers such as torchrun."""

from train.cli import main

if __name__ == "__main__":
    main()
