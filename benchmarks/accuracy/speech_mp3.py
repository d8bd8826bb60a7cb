"""Speech Commands as MP3 files of 32 kbit/s, which the speech study reads: written once.

    LOSSY_DATA=... python -m benchmarks.accuracy.speech_mp3 [FOLDER]

Clips that are shorter than a second get zeros at their end, as they do in all rows of the study; then LAME codes them,
through libsndfile, at a constant bit rate. The files are `FOLDER/<word>/<clip>.mp3`; without a folder, they go where
the study looks for them, `$LOSSY_DATA/speech_commands_mp3`.
"""

import os
import shutil
from pathlib import Path

import soundfile
from filelock import FileLock
from tqdm.auto import tqdm

from benchmarks.harness import parser
from lossy_lightning.codecs import PCM
from lossy_lightning.data import SpeechCommands, read_sound

BIT_RATE = 32  # kbit/s
GREATEST, LEAST = 160, 8  # bit rates that MPEG-2 has
LEVEL = (GREATEST - BIT_RATE) / (GREATEST - LEAST)  # as libsndfile counts them


def files() -> Path:
    """Where the study looks for the files."""
    return Path(os.environ["LOSSY_DATA"]) / "speech_commands_mp3"


def write_files(place: Path) -> Path:
    """The files, written if they are not there; several processes may ask at once."""
    data = SpeechCommands(PCM(16))
    with FileLock(place.with_suffix(".lock")):
        if not place.exists():
            new = place.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            for path, _, _ in tqdm(data.sounds, "coding clips", disable=None):
                target = new / Path(path).relative_to(data.folder).with_suffix(".mp3")
                target.parent.mkdir(parents=True, exist_ok=True)
                sound = read_sound(path, data.form)[0].numpy()
                soundfile.write(target, sound, data.sample_rate, compression_level=LEVEL, bitrate_mode="CONSTANT")
            new.replace(place)
    return place


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("folder", nargs="?", type=Path, help="where the files go")
    given = arguments.parse_args()
    written = sorted(write_files(given.folder or files()).glob("*/*.mp3"))
    print(f"{len(written)} files, {sum(path.stat().st_size for path in written) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
