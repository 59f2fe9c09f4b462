"""Bad input ends in one clear message and exit code 2, before any training and with nothing written."""

import itertools
import shutil
from pathlib import Path

import albumentations as A
import pytest
from safetensors.torch import save_file

import search
from cluster.snapshot import code_hash


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The message of a command line that must be refused."""
    try:
        code = search.main([*map(str, arguments), "--quiet"])
    except SystemExit as exit_:  # argparse's own way out
        code = int(str(exit_.code))
    assert code == 2
    return capsys.readouterr().err


def space_file(path: Path, change: str) -> Path:
    path.write_text(f"from search_spaces.digits import SPACE\nSPACE = SPACE.{change}\n")
    return path


def test_flags_that_make_no_sense(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "OUT"
    assert "digits, leaves, cassava" in refused(capsys, "--space", "cassva", "--out", out)
    assert "--promote 5 and --trials 4" in refused(capsys, "--promote", "5", "--trials", "4", "--out", out)
    assert "invalid choice: 'loss'" in refused(capsys, "--metric", "loss", "--out", out)
    assert "invalid int value: 'many'" in refused(capsys, "--trials", "many", "--out", out)
    several = refused(capsys, "--trials", "0", "--epochs", "-1", "--folds", "1", "--gpus-per-trial", "-1", "--out", out)
    for part in ("--trials must be at least 1", "--epochs", "--folds must be at least 2", "--gpus-per-trial"):
        assert part in several
    assert "--resume needs --out" in refused(capsys, "--resume")
    assert not out.exists()


def test_data_that_cannot_be_used(capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path) -> None:
    out = tmp_path / "OUT"
    (stripes / "train_images/train_1.png").unlink()
    assert "train_1.png is missing" in refused(capsys, "--data", stripes, "--out", out)
    (stripes / "train.csv").unlink()
    assert "lacks:\n  - train.csv" in refused(capsys, "--data", stripes, "--out", out)
    assert "No such file" in refused(capsys, "--data", tmp_path / "absent", "--out", out)
    assert not out.exists()


def test_folds_that_the_data_cannot_fill(capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path) -> None:
    assert "'across' has 8" in refused(capsys, "--data", stripes, "--folds", "9", "--out", tmp_path / "OUT")


def test_groups_and_sources_that_are_not_there(
    capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "OUT"
    assert "--groups must be a CSV" in refused(capsys, "--data", stripes, "--groups", tmp_path / "no.csv", "--out", out)
    message = refused(capsys, "--data", stripes, "--folds", "2", "--train-only", "2019", "--out", out)
    assert "--train-only must name sources of train.csv" in message
    assert not out.exists()


def test_the_plan_counts_duplicates(capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path) -> None:
    shutil.copy(stripes / "train_images/train_0.png", stripes / "train_images/train_2.png")
    arguments = ["--data", str(stripes), "--folds", "2", "--out", str(tmp_path / "OUT"), "--plan"]
    assert search.main(arguments) == 0
    assert "stratified, 2 images in 1 groups of duplicates" in capsys.readouterr().out


def test_a_backbone_that_timm_does_not_know(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    own = space_file(tmp_path / "own.py", "fixed(backbone='test_resnt')")
    message = refused(capsys, "--space", own, "--out", tmp_path / "OUT")
    assert "'test_resnt' (nearest: test_resnet" in message


def test_weights_that_are_not_there(capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path) -> None:
    out = tmp_path / "OUT"
    empty = tmp_path / "weights"
    empty.mkdir()
    message = refused(capsys, "--space", "leaves", "--data", stripes, "--weights", empty, "--out", out)
    assert "at least one of mobilenetv2_100.safetensors" in message
    (empty / "resnet18.safetensors").write_bytes(b"a pickle, say")
    message = refused(capsys, "--space", "leaves", "--data", stripes, "--weights", empty, "--out", out)
    assert "The weights of resnet18" in message
    assert "train from scratch" in refused(capsys, "--space", "digits", "--weights", empty, "--out", out)


def test_an_out_that_holds_something(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "must be a new or an empty folder" in refused(capsys, "--out", tmp_path)
    assert "holds no search" in refused(capsys, "--out", tmp_path, "--resume")
    (tmp_path / "search.json").write_text("{}")
    assert "holds a search already; add --resume" in refused(capsys, "--out", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_plan_says_what_it_would_do_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "OUT"
    flags = ["--data", str(stripes), "--folds", "4", "--trials", "16", "--epochs", "9", "--out", str(out)]
    assert search.main([*flags, "--plan"]) == 0
    printed = capsys.readouterr().out
    assert "16 images of 2 classes, 4 to predict" in printed
    assert "rungs 2, 6" in printed
    assert "at most 144 epochs" in printed
    assert not out.exists()


def test_a_plan_says_how_trials_share_gpus(
    capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = itertools.cycle((0.25, 0.5, 0.5))
    monkeypatch.setattr("cluster.resources.gpu_share", lambda recipe, n_classes, gpu_bytes: next(shares))
    flags = ["--data", str(stripes), "--folds", "2", "--trials", "9", "--out", str(tmp_path / "OUT"), "--plan"]
    assert search.main([*flags, "--gpus", "2", "--gpu-memory", "16"]) == 0
    printed = capsys.readouterr().out
    assert "shares     trials 3 of 0.25 GPU, 6 of 0.5 GPU, by the memory that each needs of 16 GB" in printed
    assert search.main([*flags, "--gpus", "2", "--gpu-memory", "16", "--gpus-per-trial", "1"]) == 0
    assert search.main([*flags, "--gpus", "0", "--gpu-memory", "16"]) == 0
    assert "shares" not in capsys.readouterr().out


def test_a_plan_says_how_folds_share_gpus(capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path) -> None:
    flags = ["--data", str(stripes), "--folds", "2", "--out", str(tmp_path / "OUT"), "--set", "batch_size=8", "--plan"]
    assert search.main([*flags, "--gpus-per-fold", "2", "--gpus", "4"]) == 0
    assert "epochs more, each fold on 2 GPUs of a machine" in capsys.readouterr().out
    assert search.main([*flags, "--gpus-per-fold", "2"]) == 0, "the machines that will train may have them"
    assert "no node has more than 1; --gpus-per-fold" in refused(capsys, *flags, "--gpus-per-fold", "2", "--gpus", "1")
    message = refused(capsys, *flags, "--gpus-per-fold", "3", "--gpus", "4")
    assert "(--gpus-per-fold):\n  - batch_size must be a multiple of 3, got 8" in message
    assert "compile must be off" in refused(capsys, *flags, "--gpus-per-fold", "2", "--set", "compile=true")
    assert "at least 1, got 0" in refused(capsys, *flags, "--gpus-per-fold", "0")
    message = refused(capsys, *flags, "--gpus-per-fold", "2", "--gpus-per-trial", "0")
    assert "--gpus-per-fold needs GPUs, and --gpus-per-trial 0 is the CPU" in message


def test_local_weights_choose_the_backbones(capsys: pytest.CaptureFixture[str], stripes: Path, tmp_path: Path) -> None:
    import timm

    weights = tmp_path / "weights"
    weights.mkdir()
    save_file(timm.create_model("resnet18", num_classes=3).state_dict(), weights / "resnet18.safetensors")
    flags = ["--space", "leaves", "--data", str(stripes), "--weights", str(weights), "--plan"]
    assert search.main(flags) == 0
    assert "leaves: resnet18\n" in capsys.readouterr().out


def test_the_code_has_a_hash() -> None:
    assert code_hash() == code_hash()
    assert len(code_hash()) == 16


def test_set_decides_fields_of_every_recipe(stripes: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["--data", str(stripes), "--folds", "2", "--out", str(tmp_path / "OUT"), "--plan"]
    assert search.main([*asked, "--set", "backbone=test_vit", "image_size=32", "t1=0.8"]) == 0
    assert "digits: test_vit" in capsys.readouterr().out
    assert "did you mean 'image_size'" in refused(capsys, *asked, "--set", "imagesize=32")
    assert "--set takes FIELD=VALUE" in refused(capsys, *asked, "--set", "t1")
    assert "t1 must be float, got 'low'" in refused(capsys, *asked, "--set", "t1=low")


def test_a_pipeline_of_one_s_own_is_in_every_recipe(
    stripes: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    A.save(A.Compose([A.Blur(p=0.5)]), own, data_format="yaml")
    asked = ["--data", str(stripes), "--folds", "2", "--out", str(tmp_path / "OUT"), "--plan", "--augment", str(own)]
    assert search.main(asked) == 0
    own.write_text(own.read_text().replace("Blur", "Blurr"))
    assert "'Blurr' is no transform of albumentations (nearest: Blur" in refused(capsys, *asked)


def test_what_is_wrong_with_nets_and_augmentation_is_said_at_once(
    stripes: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def asked(*fields: str) -> str:
        return refused(capsys, "--data", stripes, "--out", tmp_path / "OUT", "--set", *fields)

    message = asked("backbone=vgg11", "mix=snapmix", "drop_path_rate=0.1")
    assert "needs a backbone whose classifier is linear in its feature map; not so: vgg11" in message
    assert "vgg11 has no drop_path_rate, got 0.1" in message
    message = asked("loss=gamblers", "gamblers_reward=3.0", "t1=1.0", "t2=1.0", "sources=2019")
    assert "gamblers_reward must be in (1, 2]" in message
    assert "no column `source`; it does not have: 2019" in message
