"""Peak rates of common GPUs as their makers publish them, and which share of them to expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Arithmetic = Literal["float32", "float16", "bfloat16"]
"""What a GPU multiplies in."""

TERA = 1e12


@dataclass(frozen=True)
class GpuType:
    """Dense peak rates in operations a second; a multiplication and an addition are two."""

    name: str
    float32: float
    float16: float
    """Tensor cores, accumulating in float32."""
    has_bfloat16: bool
    source: str
    """Where the rates are published."""

    def peak(self, arithmetic: Arithmetic) -> float:
        """Operations a second; arithmetic that the GPU lacks is done in float32."""
        if arithmetic == "float16" or (arithmetic == "bfloat16" and self.has_bfloat16):
            return self.float16
        return self.float32


GPU_TYPES: tuple[GpuType, ...] = (
    GpuType(
        "T4", 8.1 * TERA, 65 * TERA, has_bfloat16=False,
        source="https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/tesla-t4/t4-tensor-core-datasheet-951643.pdf",
    ),
    GpuType(
        "V100 SXM2", 15.7 * TERA, 125 * TERA, has_bfloat16=False,
        source="https://images.nvidia.com/content/technologies/volta/pdf/volta-v100-datasheet-update-us-1165301-r5.pdf",
    ),
    GpuType(
        "RTX 3090", 35.6 * TERA, 71 * TERA, has_bfloat16=True,
        source="https://www.nvidia.com/content/PDF/nvidia-ampere-ga-102-gpu-architecture-whitepaper-v2.pdf",
    ),
    GpuType(
        "RTX 4090", 82.6 * TERA, 165.2 * TERA, has_bfloat16=True,
        source="https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf",
    ),
    GpuType(
        "A100 SXM", 19.5 * TERA, 312 * TERA, has_bfloat16=True,
        source="https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf",
    ),
    GpuType(
        "H100 SXM", 66.9 * TERA, 989.4 * TERA, has_bfloat16=True,
        source="https://resources.nvidia.com/en-us-tensor-core/gtc22-whitepaper-hopper",
    ),
)  # fmt: skip
"""The oldest first."""

MOST_OF_PEAK: Mapping[Arithmetic, float] = {
    "float32": 0.5,
    "float16": 0.2,
    "bfloat16": 0.2,
}
"""The largest share of a peak that a plan counts on: an assumption, and no measurement. The faster
the arithmetic, the more the memory limits these networks of many small convolutions."""


def expected_share(measured: float, arithmetic: Arithmetic) -> float:
    """The share of a GPU's peak to count on, given the one that was reached here."""
    return min(measured, MOST_OF_PEAK[arithmetic])
