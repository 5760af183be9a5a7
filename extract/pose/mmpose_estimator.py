"""Keypoints by an MMPose network: crops of the signer in, coordinates and confidences out.

The usual pipeline and SimCC heads are computed here for whole batches; whatever else a config asks
for goes MMPose's own way. SimCC (Li et al., "SimCC: a Simple Coordinate Classification Perspective
for Human Pose Estimation", ECCV 2022, arXiv 2107.03332) scores every position along x and every
position along y; a keypoint lies at the two best ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from extract.batched_inference import BatchedInference
from extract.pose.device_crop import cut_out
from extract.pose.mmpose_model import MMPoseModel, known_warnings_silenced, ready_for_inference
from extract.pose.person_crop import CroppedFrame, PlainCrop
from extract.settings import Precision
from seds_core.keypoints import missing_keypoints


def into_image(
    points: Float32[np.ndarray, "frame keypoint coordinate=2"],
    crops: Sequence[CroppedFrame],
    input_size: tuple[int, int],
) -> Float32[np.ndarray, "frame keypoint coordinate=2"]:
    """Maps points from pixels of the network's input to pixels of the frames.

    The arithmetic of ``TopdownPoseEstimator.add_pred_to_datasample``, in its order.
    """
    scale = np.stack([crop.scale for crop in crops])[:, None]
    center = np.stack([crop.center for crop in crops])[:, None]
    # In float64, by the integers of the size, and rounded once.
    return (points / np.array(input_size) * scale + center - 0.5 * scale).astype(np.float32)


def decodes_plainly(head: Any, test_cfg: dict[str, Any]) -> bool:  # noqa: ANN401 - mmpose's head
    """Whether ``head.predict`` does what :func:`simcc_scores` and :func:`simcc_keypoints` do."""
    from mmpose.codecs import SimCCLabel  # noqa: PLC0415
    from mmpose.models.heads import RTMCCHead, RTMWHead, SimCCHead  # noqa: PLC0415

    if type(head) not in {RTMCCHead, RTMWHead, SimCCHead} or type(head.decoder) is not SimCCLabel:
        return False
    # DARK refines positions and visibility changes confidences; neither is done here.
    has_extras = head.decoder.use_dark or head.decoder.decode_visibility
    return not has_extras and test_cfg.get("output_keypoint_indices") is None


def simcc_scores(
    head: Any,  # noqa: ANN401 - mmpose's head
    features: Any,  # noqa: ANN401 - as the head reads them
    flip_indices: list[int],
) -> tuple[
    Float32[torch.Tensor, "frame keypoint _width"], Float32[torch.Tensor, "frame keypoint _height"]
]:
    """Scores of the positions along x and along y, averaged over the pair of a flip test.

    ``features`` is a list of two for a flip test: those of the images and of the mirrored ones,
    in which ``flip_indices`` says which keypoints of left and right are swapped.
    """
    if not isinstance(features, list):
        return head(features)
    # Mirrored images give mirrored positions along x, and left keypoints where right ones are.
    direct, mirrored = features
    x, y = head(direct)
    mirrored_x, mirrored_y = head(mirrored)
    return (
        (x + mirrored_x[:, flip_indices].flip(-1)) * 0.5,
        (y + mirrored_y[:, flip_indices]) * 0.5,
    )


def simcc_keypoints(
    x_scores: Float32[torch.Tensor, "frame keypoint _width"],
    y_scores: Float32[torch.Tensor, "frame keypoint _height"],
    split_ratio: float,
) -> Float32[torch.Tensor, "frame keypoint coordinate=3"]:
    """x, y in pixels of the network's input, and the lower one of the two best scores.

    There are ``split_ratio`` positions a pixel. A point without a positive score is at position -1,
    as in ``mmpose.codecs.utils.get_simcc_maximum``.
    """
    x_best, x_index = x_scores.max(dim=-1)
    y_best, y_index = y_scores.max(dim=-1)
    confidence = torch.minimum(x_best, y_best)
    positions = torch.stack([x_index, y_index], dim=-1).float()
    # The best of no positive scores is no position at all.
    positions = positions.masked_fill(confidence[..., None] <= 0, -1.0)
    return torch.cat([positions / split_ratio, confidence[..., None]], dim=-1)


_AUTOCAST_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

_LARGEST_CPU_BATCH = 8
"""Frames of a forward pass on a CPU: more are not faster, and only cost memory and padding."""


class MMPoseEstimator:
    """Runs a top-down whole-body model over batches of frames.

    Gives what ``mmpose.apis.inference_topdown`` gives for each frame and box, but for the last
    bits: the crop, the normalisation, the decoding and the way back into the image are MMPose's
    own, or, for its usual pipeline and SimCC heads, equal them. The confidence is MMPose's
    ``keypoint_scores``.
    """

    def __init__(
        self,
        model: MMPoseModel,
        device: torch.device,
        precision: Precision = "float32",
        *,
        batch_size: int = 32,
    ) -> None:
        """``model`` lies on ``device``; ``precision`` is that of backbone and neck on a GPU.

        ``batch_size`` is the number of frames of a forward pass, on a CPU the largest one.
        """
        from mmengine.dataset import Compose  # noqa: PLC0415
        from mmengine.registry import init_default_scope  # noqa: PLC0415

        init_default_scope("mmpose")
        self._network = ready_for_inference(model.network, device)
        self._dataset_meta = model.dataset_meta
        self._transform = Compose(model.pipeline)
        # Crop and decoding go together: either both are computed here, or both by MMPose.
        self.crop: PlainCrop | None = None
        """The regions that the network sees; ``None`` where MMPose's own pipeline cuts them."""
        if decodes_plainly(self._network.head, self._network.test_cfg):
            self.crop = PlainCrop.of_pipeline(self._transform.transforms)
        self._device = device
        self._autocast_dtype = _AUTOCAST_DTYPES[precision]
        # The folded network keeps its channels last on a CPU only.
        is_cpu = device.type == "cpu"
        self._memory_format = torch.channels_last if is_cpu else torch.contiguous_format
        self._batches = BatchedInference(
            min(batch_size, _LARGEST_CPU_BATCH) if is_cpu else batch_size
        )

    def start_video(self) -> None:
        """Does nothing: frames are independent."""

    def prepared(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> list[Any]:
        """Returns every frame, cropped to the network's size if large, and the way back from there.

        May run in another thread than :meth:`keypoints`.
        """
        prepare = self.crop or self._prepared_by_mmpose
        return [prepare(*pair) for pair in zip(frames, boxes, strict=True)]

    @torch.inference_mode()
    def keypoints(
        self, prepared: Sequence[Any]
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """Finds keypoints in prepared frames, which may come from several videos.

        Every forward pass sees the same number of frames, the last one repeated if need be, so
        that the same kernels compute a frame whatever its neighbours are: it gives the same bits.
        """
        found = self._batches.run(prepared, self._keypoints_of_batch)
        return np.stack(found) if found else missing_keypoints(0)

    def _keypoints_of_batch(
        self, prepared: Sequence[Any]
    ) -> list[Float32[np.ndarray, "keypoint=133 coordinate=3"]]:
        # A pass of fewer frames could take other kernels, whose last bits differ.
        padded = [*prepared, *[prepared[-1]] * (self._batches.batch_size - len(prepared))]
        if self.crop is None:
            pixels = torch.stack([item["inputs"] for item in padded])
        else:
            frames, matrices = zip(*((crop.pixels, crop.matrix) for crop in padded), strict=True)
            pixels = cut_out(frames, matrices, self.crop.input_size, self._device)
        with known_warnings_silenced():
            features = self._features(self._network_input(pixels))
            found = self._decoded(features, padded)
        return list(found[: len(prepared)])

    def _decoded(
        self,
        features: Any,  # noqa: ANN401 - as the head reads them
        prepared: list[Any],
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        head = self._network.head
        if self.crop is not None:
            scores = simcc_scores(head, features, self._dataset_meta.get("flip_indices", []))
            keypoints = simcc_keypoints(*scores, head.decoder.simcc_split_ratio).cpu().numpy()
            keypoints[..., :2] = into_image(keypoints[..., :2], prepared, self.crop.input_size)
            return keypoints
        # MMPose's decoding goes sample by sample and reads the way back from its data samples.
        samples = [item["data_samples"] for item in prepared]
        people = head.predict(features, samples, self._network.test_cfg)
        results = self._network.add_pred_to_datasample(people, None, samples)
        found = [result.pred_instances for result in results]
        points = np.stack([person.keypoints[0, :, :2] for person in found])
        confidence = np.stack([person.keypoint_scores[0, :, None] for person in found])
        return np.concatenate([points, confidence], axis=-1).astype(np.float32)

    def _prepared_by_mmpose(
        self,
        frame: UInt8[np.ndarray, "height width channel=3"],
        box: Float32[np.ndarray, " box=4"],
    ) -> Any:  # noqa: ANN401 - mmpose's packed inputs
        whole_score = np.ones(1, np.float32)
        return self._transform(
            {"img": frame, "bbox": box[None], "bbox_score": whole_score, **self._dataset_meta}
        )

    def _network_input(
        self, pixels: UInt8[torch.Tensor, "frame channel=3 height width"]
    ) -> Float[torch.Tensor, "frame channel=3 height width"]:
        """Normalised crops on the device."""
        if self._device.type == "cuda" and pixels.device.type == "cpu":
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        bgr = pixels.flip(1)  # MMPose's images are BGR; its preprocessor swaps what it needs.
        processed = self._network.data_preprocessor.forward({"inputs": bgr, "data_samples": []})
        return processed["inputs"].contiguous(memory_format=self._memory_format)

    def _features(self, images: Float[torch.Tensor, "frame channel=3 height width"]) -> Any:  # noqa: ANN401
        """What the head reads, in float32; a pair with the mirrored images if asked for."""
        direct = self._extracted(images)
        if not self._network.test_cfg["flip_test"]:
            return direct
        return [direct, self._extracted(images.flip(-1))]

    def _extracted(
        self, images: Float[torch.Tensor, "frame channel=3 height width"]
    ) -> tuple[torch.Tensor, ...]:
        # The head computes in float32 always: its scores decide between neighbouring positions.
        is_reduced = self._device.type == "cuda" and self._autocast_dtype != torch.float32
        with torch.autocast(self._device.type, self._autocast_dtype, enabled=is_reduced):
            features = self._network.extract_feat(images)
        return tuple(level.float().contiguous() for level in features)
