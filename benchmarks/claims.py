"""What the benchmarks claim: one entry a section of RESULTS.md, and the commands to measure it."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """What one section of the results says, and the commands that measure it."""

    name: str
    heading: str
    compared: str
    command: str
    """As it is typed in the repository's root; several lines are run until one fails."""
    bar: str = ""
    """What was asked of it, in words."""

    @property
    def scripts(self) -> list[str]:
        """Names of the scripts that it runs."""
        return re.findall(r"benchmarks/(\w+\.py)", self.command)

    @property
    def needs(self) -> list[str]:
        """Paths below ``$SHARED`` that it reads."""
        return re.findall(r"\$SHARED/(\S+)", self.command)


CLAIMS = (
    Claim(
        "training_step",
        "A training step",
        "A whole step of the fusion stage, against the published order of computation.",
        "python benchmarks/training_step.py --turns 2",
        "At least 2 times faster, the aim is 3; 1.5 times less memory, the aim is 2.",
    ),
    Claim(
        "clip_block",
        "The temporal block of clips",
        "Every frame multiplied once, against every clip cut out and computed alone.",
        "python benchmarks/clip_block.py --turns 3",
        "At least 5 times faster, forward and backward; the aim is 7.",
    ),
    Claim(
        "graph_convolution",
        "Graph convolutions",
        "Only the products that a subset's edges carry, against all points times all subsets.",
        "python benchmarks/graph_convolution.py",
    ),
    Claim(
        "step_growth",
        "Growth of a training step",
        "Seconds of a step against the frames, and against the clips, of its videos.",
        "python benchmarks/step_growth.py --batch 4 --turns 2",
        "Linear in frames and in clips.",
    ),
    Claim(
        "loader",
        "The training loader",
        "An epoch of batches from two stores, against per-frame Python over published pickles.",
        "python benchmarks/loader.py",
        "At least 8 times as many samples a second in one process; the aim is 30.",
    ),
    Claim(
        "scoring",
        "Scoring a gallery",
        "Scores of every sentence with every video, against the published order of computation.",
        "python benchmarks/scoring.py --turns 2",
        "At least 15 times faster, the aim is 25.",
    ),
    Claim(
        "scoring_memory",
        "Memory of scoring",
        "What scoring 10,000 videos against 10,000 sentences needs, at full size.",
        "python benchmarks/scoring_memory.py --share 0.0003",
        "10,000 videos and 10,000 sentences within 4 GB.",
    ),
    Claim(
        "rgb_windows",
        "RGB features of overlapping clips",
        "What clips share computed once, against every clip cut out and computed apart.",
        "python benchmarks/rgb_windows.py --turns 2 --lengths 300",
        "At least 1.2 times as many windows a second, the aim is 1.5; in bfloat16 2 and 3 times.",
    ),
    Claim(
        "pose_frames",
        "Pose frames a second",
        "Batches of frames, against MMPoseInferencer, which takes one frame a call.",
        "python benchmarks/pose_frames.py --turns 3 --bfloat16",
        "At least 1.5 times as many frames a second, the aim is 2; in bfloat16 2.3 and 3 times.",
    ),
    Claim(
        "pose_equality",
        "The same keypoints as MMPose",
        "Batches of real frames, against MMPose's own inference, with random weights.",
        "python benchmarks/pose_equality.py $SHARED/realsigns/asl78/videos",
    ),
    Claim(
        "model_share",
        "What the model has of an extraction's time",
        "Both commands over real videos: how long the network computes, and what else takes time.",
        "python benchmarks/model_share.py --videos $SHARED/realsigns/asl78 --every 64",
        "The model runs for at least 85 % of the wall time of both commands; the aim is 95 %.",
    ),
    Claim(
        "extraction_feed",
        "The feed of an extraction",
        "Frames a second that reach a network that costs nothing, against plain decoding.",
        "python benchmarks/extraction_feed.py --quick",
        "At least 0.8 of plain decoding, everywhere; the aim is 0.95.",
    ),
    Claim(
        "extraction_growth",
        "Growth of extraction time",
        "Seconds a video against the number of videos, with networks that cost little.",
        "python benchmarks/extraction_growth.py --videos $SHARED/realsigns/tid",
        "Linear in videos: a video costs the same within 20 %, whether 50, 500 or 2,000 are done.",
    ),
    Claim(
        "bucket_stores",
        "Stores in a bucket",
        "Extraction, verification and reading over obstore, with cut connections; fsspec beside.",
        "python benchmarks/bucket_stores.py",
        "Equal stores after 50 cut connections; few requests a video.",
    ),
    Claim(
        "store_growth",
        "Growth of opening a store",
        "Opening stores of 500, 5,000 and 50,000 videos, and reading one of their videos.",
        "python benchmarks/store_growth.py",
        "Opening takes the same time, however many videos a store holds.",
    ),
    Claim(
        "million_videos",
        "What one more video costs",
        "Opening, claiming, finishing and packing in stores of 10,000 to 1,000,000 videos.",
        "python benchmarks/million_videos.py",
        "Claiming, finishing and packing cost the same; opening reads the table once.",
    ),
    Claim(
        "many_writers",
        "Hundreds of writers, simulated",
        "16 to 1,024 writers that fill one store in a bucket, by discrete events.",
        "python benchmarks/many_writers.py",
        "A claim takes two or three attempts; the one packer is what breaks first.",
    ),
    Claim(
        "import_speed",
        "Importing published pickles",
        "Importing against writing and copying the pickles, and reading from both.",
        "python benchmarks/import_speed.py",
    ),
    Claim(
        "long_video",
        "Memory of long videos",
        "Peak memory of extracting 1,000 and 10,000 frames of 720p.",
        "python benchmarks/long_video.py",
        "It does not grow with the length.",
    ),
    Claim(
        "kill_and_resume",
        "Killed extractions",
        "Parts of extractions killed a hundred times, against undisturbed ones.",
        "test -e demo/corpus/index.csv || seds-extract demo-videos --out demo/corpus\n"
        "head -n 41 demo/corpus/index.csv > demo/corpus/forty.csv\n"
        "python benchmarks/kill_and_resume.py rgb demo/corpus/forty.csv --kills 50\n"
        "python benchmarks/kill_and_resume.py pose demo/corpus/forty.csv --kills 50",
        "Equal arrays, and no video done twice.",
    ),
    Claim(
        "many_workers",
        "Two workers",
        "Two workers of this machine, and two nodes of a Ray cluster, against one worker.",
        "python benchmarks/many_workers.py --videos $SHARED/realsigns/tid --count 400",
        "At least 1.7 times faster, the same arrays, and a driver that does not grow.",
    ),
)

NO_BENCHMARKS = {
    "run_all.py": "runs the others",
    "claims.py": "lists the others",
    "measurement.py": "is what the others share",
    "first_class.py": "looks at one store",
    "real_signs.py": "extracts and trains for hours; docs/real-signs.md has its results",
    "sign_rows.py": "is the part of real_signs.py that makes tables",
    "sign_words.py": "is the part of real_signs.py that renames signs",
    "sign_distractors.py": "is the part of real_signs.py that asks in a larger gallery",
    "sign_search.py": "extracts and trains for hours; docs/real-signs.md has its results",
    "sign_baselines.py": "needs real signs; docs/real-signs.md has its results",
    "gpu.py": "needs a CUDA device, and prints a verdict on each fast path there",
    "mutations.py": "breaks the source and asks the tests, for the better part of an hour",
    "house.py": "measures the source text, and which files commands pass through",
    "called_files.py": "is the part of house.py that runs commands",
    "fuzzed_stores.py": "breaks stores at random, and measures nothing",
    "decoders.py": "needs environments with other decoders; DESIGN.md has its results",
    "fuzzed_videos.py": "breaks videos at random, and measures nothing",
    "store_damage.py": "breaks stores at random, and measures nothing",
    "search_endurance.py": "changes an index at random under readers, and measures nothing",
    "search_exact.py": "needs a trained run and half an hour; DESIGN.md has its results",
    "search_bound.py": "needs a trained run; DESIGN.md has its results",
    "search_candidates.py": "needs a trained run and half an hour; DESIGN.md has its results",
    "search_tokens.py": "makes what the other scripts of search measure, from a trained run",
    "search_speed.py": "needs a trained run and half an hour; DESIGN.md has its results",
    "search_million.py": "needs a trained run, 9 GB and half an hour; DESIGN.md has its results",
    "search_rivals.py": "needs environments with other engines; DESIGN.md has its results",
    "search_rival_engines.py": "is the part of search_rivals.py that runs in them",
    "search_serving.py": "needs an index and four minutes; DESIGN.md has its results",
    "hostile_requests.py": "is what search_serving.py sends",
    "training_damage.py": "breaks stores and runs at random, and measures nothing",
}
"""Scripts that no claim runs, and why."""
