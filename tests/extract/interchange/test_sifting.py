from extract.interchange.caption_checks import without_duplicates, without_empty
from extract.interchange.captions import Candidate, Caption


def caption(video_id, split="train", text="Hi", origin="x, line 2"):
    return Caption(video_id, split, text, origin, (Candidate(video_id),))


def test_empty_captions_are_left_out_and_named():
    kept, findings = without_empty([caption("a"), caption("b", text="")])
    assert [c.video_id for c in kept] == ["a"]
    assert findings[0].names == ("b (x, line 2)",)
    assert without_empty(kept) == (kept, ())


def test_the_first_of_two_is_kept_and_both_are_named():
    first, second = caption("a", text="one", origin="f, line 2"), caption("a", origin="f, line 9")
    kept, (finding,) = without_duplicates([first, caption("b"), second])
    assert kept == (first, caption("b"))
    assert finding.kind == "duplicate_id"
    assert finding.names == ("a (f, line 2; again in f, line 9)",)


def test_what_is_evaluated_on_does_not_train():
    captions = [caption("a"), caption("a", "dev"), caption("b", "dev"), caption("b", "test")]
    kept, (finding,) = without_duplicates(captions)
    assert [(c.video_id, c.split) for c in kept] == [("a", "dev"), ("b", "test")]
    assert len(finding.names) == 2
