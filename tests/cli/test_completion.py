import shutil
import subprocess

import pytest

from lossy_lightning.cli import main

ASK = "source {}; COMP_WORDS=(lossy-lightning {}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _lossy_lightning; "


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_classes(tmp_path, capsys):
    main(["completion", "bash"])
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)

    def completed(words):
        asked = ASK.format(script, words) + 'echo "${COMPREPLY[@]}"'
        return subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True).stdout.split()

    assert completed("pre") == ["predict", "predict-files"]
    assert "--trainer.max_epochs" in completed("fit --trainer.max_")
    assert completed("show a.jpg --out") == ["--output"]
    assert completed("encode --codec JP") == ["JPEG"]
    assert completed("fit --data Dig") == ["Digits"]
    assert completed("info photo") == []  # files: bash's own answer
