from train.evaluation.metrics import build_gallery


def test_sentences_are_unique_and_in_the_videos_order():
    gallery = build_gallery("dev", ["a", "b", "c", "d"], ["rain", "sun", "rain", "fog"])
    assert gallery.sentences == ("rain", "sun", "fog")
    assert gallery.text_of_video.tolist() == [0, 1, 0, 2]
    assert gallery.entry_of_video.tolist() == [0, 1, 0, 2]


def test_published_entries_may_share_a_sentence_but_hold_only_one():
    gallery = build_gallery("dev", "abcd", ["rain", "sun", "rain", "fog"], ["7", "9", "8", "9"])
    assert gallery.text_of_video.tolist() == [0, 1, 0, 2]
    assert gallery.entry_of_video.tolist() == [0, 1, 2, 3]
