import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import camera
from skimage.feature import hog

from omsn.errors import InputError
from omsn.features.hog import hog_columns, hog_frame
from omsn.types import Floats

Grey = NDArray[np.uint8]


@pytest.fixture
def photograph() -> Grey:
    """A head and a camera, from scikit-image's own samples."""
    whole: Grey = camera()  # type: ignore[no-untyped-call]
    return cv2.resize(whole[60:260, 130:330], (64, 64), interpolation=cv2.INTER_AREA).astype(np.uint8)


def reference_hog(crop: Grey) -> Floats:
    """scikit-image's, in its own order. (block row, block column, cell row, cell column, direction)."""
    blocks: Floats = hog(crop, 9, pixels_per_cell=(16, 16), cells_per_block=(2, 2), feature_vector=False)
    return blocks


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_crop_of_one_grey_is_all_zeros(grey: int) -> None:
    assert not hog_frame(np.full((64, 64), grey, np.uint8)).any()


@pytest.mark.parametrize(
    "crop",
    [
        np.zeros((0, 0), np.uint8),
        np.zeros((64, 32), np.uint8),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((64, 64), np.float32),
    ],
)
def test_another_size_or_type_is_refused(crop: Grey) -> None:
    with pytest.raises(InputError, match=r"HOG: got a crop of shape .* expected \(64, 64\) grey uint8"):
        hog_frame(crop)


def test_columns_name_each_value_once(photograph: Grey) -> None:
    columns = hog_columns()
    values = hog_frame(photograph)
    assert len(columns) == len(set(columns)) == 3 * 3 * 2 * 2 * 9
    assert values.shape == (len(columns),)
    assert values.dtype == np.float32
    assert 0 <= values.min() < values.max() <= 1


@pytest.mark.parametrize(("degrees", "expected"), [(10, "010"), (50, "050"), (90, "090"), (130, "130"), (170, "170")])
def test_an_edge_fills_the_bin_of_its_gradient(degrees: int, expected: str) -> None:
    row, column = np.mgrid[:64, :64] - 31.5
    along = column * np.cos(np.radians(degrees)) + row * np.sin(np.radians(degrees))
    values = hog_frame((128 + 100 * np.tanh(along / 4)).astype(np.uint8))
    by_direction = {
        d: values[[c.endswith(d) for c in hog_columns()]].sum() for d in ("010", "050", "090", "130", "170")
    }
    assert max(by_direction, key=by_direction.__getitem__) == expected


def test_columns_say_where_an_edge_is() -> None:
    crop = np.zeros((64, 64), np.uint8)
    crop[8, 52:60] = 255  # a short stroke in the top right corner
    values = dict(zip(hog_columns(), hog_frame(crop), strict=True))
    strongest = max(values, key=values.__getitem__)
    assert strongest == "hog_block02_cell01_090"
    assert all(value == 0 for name, value in values.items() if name[9] in "12" or name[10] in "0")


def test_brightness_leaves_it(photograph: Grey) -> None:
    dark = photograph // 2
    np.testing.assert_allclose(hog_frame(dark + np.uint8(100)), hog_frame(dark), atol=1e-6)


def test_contrast_nearly_leaves_it(photograph: Grey) -> None:
    half = photograph // 2
    np.testing.assert_allclose(hog_frame(half), hog_frame(half * np.uint8(2)), atol=0.01)


def test_it_agrees_with_scikit_image(photograph: Grey) -> None:
    """OpenCV shares each gradient among neighbouring cells and bins and weights the block's middle; scikit-image
    gives it to one cell and one bin, so the two correlate but do not coincide. Any other order correlates far less.
    """
    ours, theirs = hog_frame(photograph), reference_hog(photograph)
    column_by_column = theirs.transpose(1, 0, 3, 2, 4)
    assert np.corrcoef(ours, column_by_column.ravel())[0, 1] > 0.75
    for other_order in (theirs, theirs.transpose(1, 0, 2, 3, 4), column_by_column[..., ::-1]):
        assert np.corrcoef(ours, other_order.ravel())[0, 1] < 0.5
