"""Do the headers of a data set's files give its labels away?"""

from lossy_lightning.confound._evidence import ClassTrait
from lossy_lightning.confound._prediction import Prediction
from lossy_lightning.confound.files import LabelledFiles, labelled_files
from lossy_lightning.confound.headers import header_table
from lossy_lightning.confound.remedy import write_even_copy
from lossy_lightning.confound.result import Confound, confound

__all__ = [
    "ClassTrait",
    "Confound",
    "LabelledFiles",
    "Prediction",
    "confound",
    "header_table",
    "labelled_files",
    "write_even_copy",
]
