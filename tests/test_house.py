"""The house's own rules, each shown to fail: import direction, light packages, one place that opens the truth."""

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("search_spaces", "trainables", "cluster", "analysis")
HEAVY = {"torch", "torchvision", "timm", "albumentations", "ray"}

# What each package may import of the others.
ALLOWED = {
    "search_spaces": set(),
    "trainables": {"search_spaces"},
    "analysis": {"search_spaces", "trainables"},
    "cluster": {"search_spaces", "trainables"},
}


def imports_of(source: str) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def direction_problem(package: str, source: str) -> str | None:
    ours = {name.split(".")[0] for name in imports_of(source)} & set(PACKAGES)
    wrong = ours - ALLOWED[package] - {package}
    return f"{package} imports {', '.join(sorted(wrong))}" if wrong else None


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_never_run_back(package: str) -> None:
    problems = {path.name: direction_problem(package, path.read_text()) for path in files_of(package)}
    assert not {name: problem for name, problem in problems.items() if problem}


def test_the_direction_guard_fails_where_it_should() -> None:
    assert direction_problem("trainables", "def f():\n    from cluster.plan import Plan\n")
    assert direction_problem("search_spaces", "import trainables.train")
    assert not direction_problem("cluster", "from trainables.train import train")


def names_ray(source: str) -> bool:
    return any(name.split(".")[0] == "ray" for name in imports_of(source))


def test_ray_is_named_in_one_file_of_trainables() -> None:
    assert [path.name for path in files_of("trainables") if names_ray(path.read_text())] == ["ray_trial.py"]
    assert not [
        path for package in ("search_spaces", "analysis") for path in files_of(package) if names_ray(path.read_text())
    ]
    assert names_ray("import ray.tune")


def test_the_truth_is_opened_by_the_report_only() -> None:
    readers = {
        f"{package}/{path.name}"
        for package in PACKAGES
        for path in files_of(package)
        if "TRUE_LABELS" in path.read_text() or "true_labels.csv" in path.read_text()
    }
    assert readers == {"trainables/digits.py", "analysis/summary.py"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter in another folder holds after the statement."""
    code = f"import sys; {statement}; print(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.slow
def test_analysis_and_spaces_open_without_torch_or_ray() -> None:
    light = [path.relative_to(ROOT) for path in files_of("analysis") if path.name != "cnn.py"]  # it trains a net
    names = [".".join(path.with_suffix("").parts) for path in light if not path.name.startswith("__")]
    loaded = loaded_by(f"import search_spaces, {', '.join(names)}")
    assert not loaded & HEAVY
    assert loaded_by("import torch") & HEAVY


@pytest.mark.slow
def test_the_four_packages_are_ours_from_any_folder() -> None:
    code = f"import {', '.join(PACKAGES)}; print(*({', '.join(PACKAGES)}), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert all(str(ROOT / package) in line for package, line in zip(PACKAGES, done.stdout.splitlines(), strict=True))


SLOW_TO_IMPORT = {*HEAVY, "cleanlab", "cv2", "matplotlib", "optuna", "pandas", "pyarrow", "scipy", "sklearn"}
STATISTICS = {"cleanlab", "matplotlib", "optuna", "sklearn"}


def loaded_after(script: str, *words: str) -> set[str]:
    """Top-level modules that a script holds when it ends."""
    code = f"""
        import atexit, runpy, sys
        atexit.register(lambda: print(*{{name.split(".")[0] for name in sys.modules}}))
        sys.argv = {[script, *words]!r}
        runpy.run_path({script!r}, run_name="__main__")
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], cwd=ROOT, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("line", ["search.py --help", "search.py --trials 0", "search.py --space no", "predict.py -h"])
def test_flags_are_judged_before_anything_slow_is_imported(line: str) -> None:
    assert not loaded_after(*line.split()) & SLOW_TO_IMPORT


def test_the_guard_on_slow_imports_fails_where_it_should(tmp_path: Path) -> None:
    (tmp_path / "eager.py").write_text("import json, pyarrow\n")
    assert loaded_after(str(tmp_path / "eager.py")) & SLOW_TO_IMPORT == {"pyarrow"}


def test_what_is_learnt_opens_without_statistics() -> None:
    assert not loaded_by("import analysis") & {*STATISTICS, "scipy"}


@pytest.mark.slow
def test_a_worker_imports_what_trains_and_nothing_else() -> None:
    loaded = loaded_by("import trainables.train")
    assert "torch" in loaded
    assert not loaded & {*STATISTICS, "ray", "tensorflow"}


def test_tests_are_no_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_search_py_is_a_short_story() -> None:
    source = (ROOT / "search.py").read_text()
    assert len(source.splitlines()) < 60
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
