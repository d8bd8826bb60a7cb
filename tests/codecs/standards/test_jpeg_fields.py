"""Fields and steps of codes of JPEG."""

import pytest
import torch

from lossy_lightning.codecs import JPEG
from lossy_lightning.functional import SAMPLING_FACTORS


@pytest.mark.parametrize("subsampling", SAMPLING_FACTORS)
@pytest.mark.parametrize("tables", [False, True])
@pytest.mark.parametrize("components", [1, 3])
def test_the_fields_are_the_components_and_their_tables(subsampling, tables, components):
    spec = JPEG(chroma_subsampling=subsampling, tables=tables).spec((components, None, None))
    h, v = SAMPLING_FACTORS[subsampling] if components == 3 else (1, 1)
    names = ["luma", "cb", "cr"][:components]
    assert [field.name for field in spec.fields] == names + [f"{name}_table" for name in names] * tables
    assert spec.field("luma").num_cells == h * v
    assert (spec.field("luma").cells or (1, 1)) == (v, h)
    assert all(len(field.low) == 64 for field in spec.fields)
    assert sum(low < 0 for low in spec.low) == 64 * (h * v + components - 1)
    for name in names:
        assert spec.field(name).steps_from == (f"{name}_table" if tables else None)
        assert not tables or spec.field(f"{name}_table").constant


def test_steps_are_what_levels_are_multiplied_with():
    image = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)
    levels, values = JPEG(50).encode(image), JPEG(50, dequantize=True).encode(image)
    steps, parts = JPEG(50).steps(), JPEG(50).spec((3, 16, 16)).split(levels)
    for name, part in JPEG(50).spec((3, 16, 16)).split(values).items():
        assert torch.equal((parts[name] * steps[name].view(64, 1, 1)).short(), part)
        assert (JPEG(50, dequantize=True).steps()[name] == 1).all()
    assert JPEG(50, tables=True).steps() is None
