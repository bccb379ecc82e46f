# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line: what it answers, and that a user's mistake ends in one line and a status, never in a traceback."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from avatar_forcing_ros import cli


def test_without_a_command_it_shows_help_and_fails(capsys):
    assert cli.main([]) == 2
    shown = capsys.readouterr().err
    assert all(name in shown for name in cli.COMMANDS)


def test_it_says_the_version_of_the_manifest(capsys, monkeypatch):
    manifest = ElementTree.parse(Path(__file__).resolve().parents[1] / "package.xml")
    monkeypatch.setattr("importlib.metadata.version", {"avatar_forcing_ros": manifest.findtext("version")}.get)
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"avatar-forcing {manifest.findtext('version')}\n"


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([name, "--help"])
    assert exit_.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["render", "--speech", "no.wav", "--output", "o.mp4"], "no.wav: no such file"),
        (["render", "--speech", "{text}", "--output", "o.mp4"], "expected a video or sound file"),
        (["render", "--speech", "{silent}", "--output", "o.mp4"], "without samples"),
        (["render", "--speech", "no.wav", "--output", "o.mp4", "--model", "none"], "no model 'none'"),
        (["render", "--speech", "no.wav", "--output", "o.mp4", "--portrait", "{text}"], "expected a picture"),
        (["parity", "no.npz"], "no such file"),
    ],
)
def test_a_users_mistake_is_one_line(arguments, message, tmp_path, capsys):
    (tmp_path / "text").write_text("this is no media file")
    write_empty_wav(tmp_path / "silent")
    filled = [argument.format(text=tmp_path / "text", silent=tmp_path / "silent") for argument in arguments]
    assert cli.main(filled) == 1
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error and error.startswith(f"avatar-forcing {arguments[0]}: ")


def test_what_json_promises_is_one_object_on_the_last_line(tmp_path, capsys, monkeypatch):
    assert cli.main(["parity", "no.npz", "--json"]) == 1
    told = capsys.readouterr()
    assert not told.out and told.err.count("\n") == 1
    figures = {"value": float("nan"), "row": [1, float("inf"), (float("-inf"), "text", None, True)]}
    monkeypatch.setattr("avatar_forcing_ros.commands.parity.run", lambda _args: dict(figures))
    assert cli.main(["parity", "no.npz", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert printed == {"value": None, "row": [1, None, [None, "text", None, True]]}


def test_a_package_that_nodes_do_not_need_is_named_with_what_installs_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)  # as where only `make setup` has run
    monkeypatch.delitem(sys.modules, "avatar_forcing_ros.commands.evaluate", raising=False)
    assert cli.main(["evaluate"]) == 1
    said = "avatar-forcing evaluate: this needs torch, which is not installed: make setup TORCH_BACKEND=cpu"
    assert capsys.readouterr().err.startswith(said)


def test_help_needs_no_package_that_the_command_needs(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "avatar_forcing_ros.commands.evaluate", raising=False)
    with pytest.raises(SystemExit) as exit_:
        cli.main(["help", "evaluate"])
    told = capsys.readouterr().out
    assert exit_.value.code == 0 and "To see all options: this needs torch" in told and "docs/evaluation.md" in told


def test_a_misspelt_command_is_guessed(capsys):
    assert cli.main(["rendr", "--speech", "a.wav"]) == 2
    assert capsys.readouterr().err == (
        "avatar-forcing: expected a command, got 'rendr'; did you mean render? --help lists all commands\n"
    )
    assert cli.main(["xyz"]) == 2 and "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_examples_and_pages_of_the_help_exist(name):
    command = cli.COMMANDS[name]
    assert command.example.split()[0] == name
    assert (Path(__file__).resolve().parents[1] / "docs" / command.page).is_file()


def write_empty_wav(path):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)


def test_parity_fails_when_the_network_differs(tmp_path, capsys):
    arrays = {
        f"dme_{name}": np.ones((1, 50, 512), np.float32) for name in ("user_audio", "user_motion", "avatar_audio")
    }
    np.savez(tmp_path / "seed1.npz", dme_out=np.ones((1, 50, 64), np.float32), **arrays)
    assert cli.main(["parity", str(tmp_path / "seed1.npz")]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["worst"] > 0.1


def test_ctrl_c_is_heard_where_an_import_swallows_it(tmp_path: Path) -> None:
    swallowing = "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    print('goes on')\n"
    swallowing += "except KeyboardInterrupt:\n    print('swallowed')\n\ndef add_arguments(parser): pass\n"
    (tmp_path / "swallowing.py").write_text(swallowing)
    program = """
import signal, sys
from avatar_forcing_ros import cli
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.COMMANDS["render"] = cli.Command("swallowing", "")
sys.exit(cli.main(["render"]))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (told.returncode, told.stdout, told.stderr) == (130, "", "avatar-forcing render: interrupted\n")
