"""What it is like inside a worker."""

import os
import subprocess
import sys
from pathlib import Path

from brev_pipeline.engine import LocalEngine
from brev_pipeline_tests.engine import tasks

ROOT = str(Path(__file__).parents[2])


def run_one(function, task=None):
    ((_, result),) = LocalEngine(1).map(function, [task])
    return result


def test_a_worker_imports_nothing_heavy():
    loaded = {name.partition(".")[0] for name in run_one(tasks.modules_loaded)}
    heavy = {"dagster", "great_expectations", "tensorflow", "ray", "pandas", "pyarrow", "numpy", "cv2", "pydantic"}
    assert not loaded & heavy
    assert "multiprocessing" not in loaded


def test_importing_the_package_imports_no_engine():
    code = "import sys, brev_pipeline.engine; print([m for m in sys.modules if m.startswith('brev_pipeline.engine.')])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert process.stdout == "[]\n"


def test_the_main_script_is_not_run_again_in_a_worker(tmp_path):
    script = tmp_path / "heavy_script.py"
    script.write_text(
        "print('the script runs')\n"
        "from brev_pipeline.engine import LocalEngine\n"
        "from brev_pipeline_tests.engine import tasks\n"
        "print([found for _, found in LocalEngine(2).map(tasks.main_script, range(3))])\n"
    )
    process = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, env={"PYTHONPATH": ROOT}
    )
    first, second = process.stdout.splitlines()
    assert first == "the script runs"
    assert second == "[None, None, None]"


def test_a_worker_has_one_thread_although_its_libraries_would_like_more():
    opencv, threads = run_one(tasks.threads_after_image_work)
    assert opencv == 1
    assert len(threads) == 1


def test_a_worker_has_the_parents_folder_and_import_path_and_no_standard_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    folder, path, read = run_one(tasks.environment)
    assert Path(folder) == tmp_path
    assert path == list(dict.fromkeys(os.path.abspath(entry) for entry in sys.path))
    assert read == ""


def test_a_module_beside_the_script_can_be_imported_in_a_worker(tmp_path, monkeypatch):
    (tmp_path / "beside_the_script.py").write_text("VALUE = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run_one(tasks.import_path_module, "beside_the_script") == 42


def test_a_function_is_found_although_its_path_entry_is_gone_from_the_parent(tmp_path):
    # As Dagster does when it imports a code location from a file or from the working directory.
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("def inside(task): return task + 1\n")
    (tmp_path / "package" / "module.py").write_text("def deeper(task): return task + 2\n")
    code = (
        "import sys\n"
        f"sys.path += [{str(tmp_path)!r}, {ROOT!r}]\n"
        "from brev_pipeline.engine import LocalEngine\n"
        "import package.module\n"
        "sys.path = sys.path[:-2]\n"
        "print(list(LocalEngine(1).map(package.inside, [1])), list(LocalEngine(1).map(package.module.deeper, [1])))\n"
    )
    process = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert process.stdout == "[(1, 2)] [(1, 3)]\n"


def test_a_file_named_like_a_standard_module_in_the_current_folder_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "socket.py").write_text("raise RuntimeError('not the real one')\n")
    monkeypatch.chdir(tmp_path)
    assert run_one(tasks.square, 3) == 9


def test_what_a_task_prints_appears_where_the_parent_prints(capfd):
    run_one(tasks.speak, "hello")
    printed = capfd.readouterr()
    assert sorted(printed.out.split()) == ["HELLO", "hello"]
    assert printed.err == ""


def test_the_parents_own_settings_stay_as_they_were(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    run_one(tasks.square, 1)
    assert os.environ["OMP_NUM_THREADS"] == "7"
