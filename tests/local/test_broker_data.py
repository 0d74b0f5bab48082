from pathlib import Path

import pytest

from local.broker_data import BrokerFailed, cluster_of, is_formatted, put_in_place, seed


@pytest.fixture
def template(tmp_path: Path) -> Path:
    made = tmp_path / "template"
    (made / "__cluster_metadata-0").mkdir(parents=True)
    (made / "__cluster_metadata-0" / "0.checkpoint").write_bytes(b"features")
    (made / "meta.properties").write_text(
        "#\n#now\ncluster.id=abc=\ndirectory.id=one\nnode.id=1\nversion=1\n", encoding="utf-8"
    )
    return made


def test_a_seeded_node_is_itself_and_of_the_same_cluster(template: Path, tmp_path: Path) -> None:
    member = tmp_path / "2"
    member.mkdir()

    seed(template, member / "data.new", 2)
    put_in_place(member)

    identity = (member / "data" / "meta.properties").read_text(encoding="utf-8")
    assert "node.id=2\n" in identity
    assert "directory.id=one" not in identity
    assert cluster_of(member / "meta.properties") == cluster_of(template / "meta.properties")
    assert (member / "data" / "__cluster_metadata-0" / "0.checkpoint").read_bytes() == b"features"
    assert is_formatted(member)


def test_a_folder_that_was_never_used_is_to_be_formatted(tmp_path: Path) -> None:
    assert not is_formatted(tmp_path)


def test_a_lost_identity_is_mended_from_its_copy(template: Path, tmp_path: Path) -> None:
    seed(template, tmp_path / "data.new", 1)
    put_in_place(tmp_path)
    (tmp_path / "data" / "meta.properties").unlink()

    assert is_formatted(tmp_path)
    assert (tmp_path / "data" / "meta.properties").is_file()


def test_data_without_their_metadata_are_refused(template: Path, tmp_path: Path) -> None:
    seed(template, tmp_path / "data.new", 1)
    put_in_place(tmp_path)
    (tmp_path / "data" / "__cluster_metadata-0" / "0.checkpoint").unlink()
    (tmp_path / "data" / "__cluster_metadata-0").rmdir()

    with pytest.raises(BrokerFailed, match="lost __cluster_metadata-0"):
        is_formatted(tmp_path)
