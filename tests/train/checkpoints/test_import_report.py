"""What a report of an import says."""

from train.checkpoints.import_weights import ImportReport, condensed


def test_the_summary_counts_and_the_details_name():
    report = ImportReport(
        "a.bin", "CLIP", ("x", "y"), ("z",), ("w (1,) instead of (2,)",), (), ("q",)
    )
    assert report.summary() == (
        "a.bin (CLIP): 2 tensors loaded, 1 not in the file, "
        "1 of another size, 0 not used, 1 unknown"
    )
    assert report.details() == [
        "not in the file, left as they were: z",
        "of another size, left as they were: w (1,) instead of (2,)",
        "in the file, unknown: q",
    ]


def test_many_names_are_counted_by_block():
    names = [f"text.blocks.{block}.{kind}" for block in range(6) for kind in ("weight", "bias")]
    assert condensed([*names, "scale"]) == "text.blocks.* (12), scale"
    assert condensed(names[:2]) == "text.blocks.0.weight, text.blocks.0.bias"
