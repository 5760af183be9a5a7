"""The caption files of the publication, PHOENIX-2014T, CSL-Daily and How2Sign."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from extract.interchange.captions import (
    Candidate,
    Caption,
    CaptionFileError,
    Finding,
    LineProblems,
    Record,
    ReleaseCaptions,
    find_files,
    part_columns,
    read_records,
    read_text,
    seconds,
    signer_of,
)
from seds_core.errors import ImportedFileError
from seds_core.untrusted_pickles import read_pickle

PUBLISHED_FILES = {split: f"{split}.pkl" for split in ("train", "dev", "test")}


def read_published(source: Path) -> ReleaseCaptions:
    """Reads the publication's captions, ``data_*/{train,dev,test}.pkl``: a folder or one file.

    A pickle maps an entry's name to a dictionary (PHOENIX-2014T), or to a list with a dictionary
    for every video of that sentence (CSL-Daily, How2Sign): ``video_name``, English ``text``,
    ``ori_text`` where it was translated, and How2Sign's official clip name ``new_video_name``.
    Raises ``CaptionFileError`` for files that cannot be used.
    """
    files = find_files(source, PUBLISHED_FILES)
    # PHOENIX-2014T's dev.pkl repeats the training set, so that dev.pkl is never read without it.
    if "dev" in files and "train" not in files:
        train = files["dev"].with_name(PUBLISHED_FILES["train"])
        if not train.is_file():
            raise CaptionFileError(
                f"{files['dev']} may repeat the training set, as the published one of "
                f"PHOENIX-2014T does; put {train.name} beside it to tell them apart"
            )
        files = {"train": train, **files}
    captions: list[Caption] = []
    problems = LineProblems()
    for split, path in files.items():
        captions += _published_captions(path, split, problems)
    findings: list[Finding] = []
    # A model must not be chosen by the videos that train it.
    trained = {caption.video_id for caption in captions if caption.split == "train"}
    repeated = tuple(c.video_id for c in captions if c.split == "dev" and c.video_id in trained)
    if repeated:
        captions = [c for c in captions if c.split != "dev" or c.video_id not in trained]
        text = "videos of dev.pkl that train.pkl has as well, dropped from dev"
        findings.append(Finding("note", text, repeated))
    findings += problems.findings()
    if any(caption.columns["alias"] for caption in captions):
        text = (
            "these captions name How2Sign's sentence clips; to cut the clips out of its "
            "recordings, read the re-aligned tables (seds-extract captions how2sign)"
        )
        findings.append(Finding("note", text))
    return ReleaseCaptions(tuple(captions), tuple(findings))


def _published_captions(path: Path, split: str, problems: LineProblems) -> list[Caption]:
    try:
        entries = read_pickle(path)
    except ImportedFileError as error:
        raise CaptionFileError(str(error)) from None
    if not isinstance(entries, dict) or not entries:
        raise CaptionFileError(f"{path} is no caption file: expected entries by name")
    captions = []
    for entry, value in entries.items():
        origin = f"{path.name}, entry '{entry}'"
        for video in value if isinstance(value, list) else [value]:
            if not isinstance(video, dict) or not all(
                isinstance(video.get(key), str) for key in ("video_name", "text")
            ):
                problems.unreadable.append(
                    f"{origin}: expected a dictionary with the texts video_name and text"
                )
                continue
            name = str(video["video_name"])
            video_id = str(video.get("new_video_name", name))
            captions.append(
                Caption(
                    video_id=video_id,
                    split=split,
                    text=video["text"].strip(),
                    origin=origin,
                    candidates=tuple(map(Candidate, dict.fromkeys((name, video_id)))),
                    columns={
                        "original_text": str(video.get("ori_text", "")).strip(),
                        "language": "en",
                        "signer": signer_of(video_id),
                        "sentence_id": str(entry),
                        "alias": name if name != video_id else "",
                    },
                )
            )
    return captions


PHOENIX_FILES = {split: f"PHOENIX-2014-T.{split}.corpus.csv" for split in ("train", "dev", "test")}
PHOENIX_COLUMNS = ("name", "video", "start", "end", "speaker", "orth", "translation")
_PHOENIX_FOLDERS = (".", "annotations/manual", "PHOENIX-2014-T/annotations/manual")
_PHOENIX_FRAMES = "features/fullFrame-210x260px"


def read_phoenix(source: Path) -> ReleaseCaptions:
    """Reads RWTH-PHOENIX-Weather 2014T: German sentences, from the release's corpus files.

    Fields stand between ``|``, and quotation marks are text. Frames are found in
    ``features/fullFrame-210x260px/SPLIT/NAME/images0001.png``. Raises ``CaptionFileError`` where
    there are no such files. https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/
    """
    files = find_files(source, PHOENIX_FILES, _PHOENIX_FOLDERS)
    problems = LineProblems()
    captions = [
        Caption(
            video_id=record.fields["name"],
            split=split,
            text=record.fields["translation"],
            origin=record.origin,
            candidates=(Candidate(record.fields["name"]),),
            columns={
                "language": "de",
                "signer": record.fields["speaker"],
                "sentence_id": record.fields["name"],  # two videos of equal words stay two entries
                "gloss": record.fields["orth"],
            },
        )
        for split, path in files.items()
        for record in read_records(path, problems, PHOENIX_COLUMNS, unquoted="|")[0]
    ]
    # The release's folder is found from its corpus files, whichever of its folders was named.
    release = next(iter(files.values())).absolute().parent.parent.parent
    frames = release / _PHOENIX_FRAMES
    videos = frames if frames.is_dir() else None
    return ReleaseCaptions(tuple(captions), tuple(problems.findings()), videos)


CSL_DAILY_FILES = {"captions": "video_map.txt", "splits": "split_1.txt"}
_CSL_DAILY_COLUMNS = {
    "captions": ("index", "name", "length", "gloss", "char", "word", "postag"),
    "splits": ("name", "split"),
}
_CSL_DAILY_FRAMES = ("sentence/frames_512x512", "sentence_frames-512x512/frames_512x512")


def read_csl_daily(source: Path) -> ReleaseCaptions:
    """Reads CSL-Daily: Chinese sentences, from ``sentence_label/`` of the release.

    ``video_map.txt`` has the sentences, ``split_1.txt`` the splits. In the release each of the two
    has one video that the other lacks; such videos are named and left out. Frames are found in
    ``sentence/frames_512x512/NAME/000000.jpg``; a name is the sentence, the person and the take,
    such as ``S000020_P0004_T00``. Raises ``CaptionFileError`` for missing files.
    http://home.ustc.edu.cn/~zhouh156/dataset/csl-daily/
    """
    folder = source.parent if source.name in CSL_DAILY_FILES.values() else source
    files = find_files(folder, CSL_DAILY_FILES, (".", "sentence_label"))
    problems = LineProblems()
    records: dict[str, list[Record]] = {}
    for key, name in CSL_DAILY_FILES.items():
        if key not in files:
            raise CaptionFileError(f"no {name} beside {next(iter(files.values()))}")
        columns = _CSL_DAILY_COLUMNS[key]
        records[key], _ = read_records(files[key], problems, columns, unquoted="|")
    # A video needs both: a sentence of one file and a split of the other.
    splits = {record.fields["name"]: record.fields["split"] for record in records["splits"]}
    captions = tuple(
        Caption(
            video_id=name,
            split=splits[name],
            text="".join(record.fields["char"].split()),
            origin=record.origin,
            candidates=(Candidate(name),),
            columns={
                "language": "zh",
                "signer": signer_of(name),
                "sentence_id": name.split("_")[0],
                "gloss": record.fields["gloss"],
            },
        )
        for record in records["captions"]
        if (name := record.fields["name"]) in splits
    )
    known = {record.fields["name"] for record in records["captions"]}
    findings: list[Finding] = []
    if without_caption := tuple(name for name in splits if name not in known):
        text = "videos of split_1.txt that video_map.txt lacks, left out"
        findings.append(Finding("without_caption", text, without_caption))
    if without_split := tuple(sorted(known - splits.keys())):
        text = "videos of video_map.txt that split_1.txt lacks, left out"
        findings.append(Finding("without_split", text, without_split))
    # Frames lie beside the folder of the labels, or below it where that was flattened.
    labels = files["captions"].absolute().parent
    frames = (top / name for top in (labels, labels.parent) for name in _CSL_DAILY_FRAMES)
    videos = next((folder for folder in frames if folder.is_dir()), None)
    return ReleaseCaptions(captions, (*findings, *problems.findings()), videos)


HOW2SIGN_FILES = {key: f"how2sign_realigned_{key}.csv" for key in ("train", "val", "test")}
# In lower case; the release has them in capital letters.
HOW2SIGN_COLUMNS = (
    "video_id", "video_name", "sentence_id", "sentence_name", "start_realigned", "end_realigned",
    "sentence",
)  # fmt: skip
_HOW2SIGN_FOLDERS = (
    ".", "{key}", "english_translation/{key}", "sentence_level/{key}/text/en/raw_text/re_aligned",
)  # fmt: skip
# As the publication's preparation resizes its crops.
_CROP_SIZE = "256x256"


def read_how2sign(source: Path, boxes: Sequence[Path] = ()) -> ReleaseCaptions:
    """Reads How2Sign's re-aligned tables, which have a line for each sentence of a recording.

    Recordings are ``VIDEO_NAME.mp4``, ready clips ``SENTENCE_NAME.mp4``. ``boxes`` crop what is
    cut out of a recording; ready clips are taken as they are. Raises ``CaptionFileError`` for
    files that cannot be used. https://how2sign.github.io/
    """
    crops = read_crops(boxes)
    captions: list[Caption] = []
    problems = LineProblems()
    for key, path in find_files(source, HOW2SIGN_FILES, _HOW2SIGN_FOLDERS).items():
        records, _ = read_records(path, problems, HOW2SIGN_COLUMNS)
        aliases = published_names(records)
        for record in records:
            fields, alias = record.fields, aliases[record.origin]
            name = fields["sentence_name"]
            part = _how2sign_part(fields)
            if not part:
                problems.unreadable.append(
                    f"{record.origin}: the part from '{fields['start_realigned']}' to "
                    f"'{fields['end_realigned']}' s; expected seconds, the end after start"
                )
                continue
            if alias in crops:
                part |= {"crop": crops[alias], "size": _CROP_SIZE}
            # A ready clip is better than its recording, from which it has to be cut out.
            recording = Candidate(fields["video_name"], part)
            captions.append(
                Caption(
                    video_id=name,
                    split="dev" if key == "val" else key,
                    text=fields["sentence"],
                    origin=record.origin,
                    candidates=(Candidate(alias), Candidate(name), recording),
                    columns={
                        "language": "en",
                        "signer": signer_of(name),
                        "sentence_id": fields["sentence_id"],
                        "alias": alias,
                    },
                )
            )
    findings: list[Finding] = []
    without_box = tuple(c.video_id for c in captions if c.columns["alias"] not in crops)
    if boxes and without_box:
        text = (
            "sentences without a person box, whose recordings are not cropped "
            "(seds-extract boxes finds the signer)"
        )
        findings.append(Finding("without_box", text, without_box))
    return ReleaseCaptions(tuple(captions), (*findings, *problems.findings()))


def published_names(records: Sequence[Record]) -> dict[str, str]:
    """The names that the publication gave the clips, by the line's origin.

    It numbers the sentences of a recording by their start, also those that it skips afterwards;
    equal starts keep the order of the file.
    """

    def start(record: Record) -> float:
        try:
            time = float(seconds(record.fields["start_realigned"]))
        except ValueError:
            time = -1.0
        # What is no time comes last, so that it shifts no other number.
        return time if time >= 0 else math.inf

    recordings = defaultdict(list)
    for record in records:
        recordings[record.fields["video_name"]].append(record)
    return {
        record.origin: f"{recording}_clip{number}"
        for recording, sentences in recordings.items()
        for number, record in enumerate(sorted(sentences, key=start))
    }


def _how2sign_part(fields: Mapping[str, str]) -> dict[str, str]:
    """The part of the recording that a line names; empty where it names none."""
    start, end = fields["start_realigned"], fields["end_realigned"]
    if start and end:
        with suppress(ValueError):
            return part_columns({"start": start, "end": end})
    return {}


def read_crops(paths: Iterable[Path]) -> dict[str, str]:
    """Reads person boxes, pickles or JSON, as crops ``left,top,width,height`` by published name.

    The publication's preparation cuts ``image[y1 : y1 + h, x1 : x1 + w]`` out of the recording and
    resizes it to 256 x 256. Raises ``CaptionFileError`` for a file that cannot be used.
    https://github.com/FangyunWei/SLRT (CiCo/data_preparation)
    """
    crops = {}
    for path in paths:
        try:
            is_json = path.suffix.lower() == ".json"
            boxes = json.loads(read_text(path)) if is_json else read_pickle(path)
        except ImportedFileError as error:
            raise CaptionFileError(str(error)) from None
        except json.JSONDecodeError as error:
            raise CaptionFileError(f"{path} is no JSON: {error}") from None
        if not isinstance(boxes, dict) or not boxes:
            raise CaptionFileError(f"{path} has no person boxes: expected boxes by file name")
        for name, box in boxes.items():
            try:
                x, y, width, height = (int(box[key]) for key in ("x1", "y1", "w", "h"))
                # A box may begin left of the image or above it, where there are no pixels.
                left, top = max(x, 0), max(y, 0)
                width, height = x + width - left, y + height - top
                if width < 1 or height < 1:
                    raise ValueError("empty")
            except (TypeError, KeyError, ValueError, OverflowError):
                raise CaptionFileError(
                    f"{path}: the box of '{name}' is {str(box)[:100]}; expected x1, y1, w and h "
                    "in pixels"
                ) from None
            crops[str(name).removesuffix(".mp4")] = f"{left},{top},{width},{height}"
    return crops
