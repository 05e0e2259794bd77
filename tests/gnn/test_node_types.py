from pathlib import Path

import numpy as np

from colisten.gnn.node_types import group_types
from tests.gnn.worlds import listening

TYPES = ["audiobook", "audiobook", "podcast", "play", "poem", "speech", "podcast"]
STREAMS = [1, 0, 9, 5, 2, 1, 3]


def test_target_and_most_streamed_stay_and_the_rest_is_one(tmp_path: Path) -> None:
    found = group_types(listening(tmp_path, TYPES, STREAMS), "audiobook", own=3)
    assert found.names == ("audiobook", "podcast", "play", "other")
    assert found.of_item.tolist() == [0, 0, 1, 2, 3, 3, 1]
    assert found.of_item.dtype == np.uint8


def test_a_rest_of_one_type_keeps_its_name_and_no_rest_makes_none(tmp_path: Path) -> None:
    data = listening(tmp_path, TYPES, STREAMS)
    assert group_types(data, "audiobook", own=4).names == ("audiobook", "podcast", "play", "poem", "speech")
    assert group_types(data, "audiobook", own=9).names == ("audiobook", "podcast", "play", "poem", "speech")
    assert group_types(data, "audiobook", own=1).names == ("audiobook", "other")


def test_an_item_type_called_other_is_not_mixed_up(tmp_path: Path) -> None:
    data = listening(tmp_path, ["audiobook", "other", "a", "b"], [1, 9, 2, 2])
    assert group_types(data, "audiobook", own=2).names == ("audiobook", "other", "other_")


def test_the_target_may_be_missing(tmp_path: Path) -> None:
    data = listening(tmp_path, ["podcast", "play"], [1, 2])
    assert group_types(data, "audiobook", own=4).names == ("play", "podcast")
