"""Metric addresses and what less or more of a metric means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_gen.errors import AmbiguousNameError, UnknownKeyError, UsageError
from dr_gen.model.address import REDUCTIONS, MetricAddress, Reduction, find_address
from dr_gen.model.direction import direction_of

plain_names = st.text("abz019_-. ", min_size=1, max_size=5).map(str.strip).filter(bool)
reductions = st.one_of(
    st.none(),
    st.sampled_from(REDUCTIONS).map(Reduction),
    st.builds(Reduction, st.sampled_from(["mean", "min", "best"]), st.integers(1, 99)),
    st.builds(
        lambda x_name, x: Reduction("at", x_name=x_name, x=x),
        st.sampled_from(["epoch", "step"]),
        st.integers(0, 9999).map(float),
    ),
)


@given(plain_names, plain_names, reductions)
def test_an_address_is_read_as_it_is_written(
    split: str, metric: str, reduction: Reduction | None
) -> None:
    """The text of an address means the address."""
    address = MetricAddress(split, metric, reduction)
    assert MetricAddress.parse(str(address)) == address
    assert MetricAddress.parse(address) is address


@given(st.text(max_size=12))
def test_any_text_is_an_address_or_a_mistake(text: str) -> None:
    """No text breaks the reader of addresses."""
    try:
        address = MetricAddress.parse(text)
    except UsageError:
        return
    assert address.metric
    assert address.split != ""


@pytest.mark.parametrize(
    ("text", "split", "metric", "reduction"),
    [
        ("val/acc1", "val", "acc1", None),
        ("acc1", None, "acc1", None),
        ("acc1@best", None, "acc1", Reduction("best")),
        (" val/acc1@mean:5 ", "val", "acc1", Reduction("mean", 5)),
        ("val/acc1@epoch=17", "val", "acc1", Reduction("at", x_name="epoch", x=17.0)),
        ("val/acc1@step=1e3", "val", "acc1", Reduction("at", x_name="step", x=1000.0)),
        ("val/a/b@last", "val", "a/b", Reduction("last")),
        ("val/acc@1", "val", "acc@1", None),
        ("val/acc@1@best", "val", "acc@1", Reduction("best")),
        ("val/mAP@0.5", "val", "mAP@0.5", None),
        ("val/mAP@.5", "val", "mAP@.5", None),
        ("val/mAP@[.5:.95]@max", "val", "mAP@[.5:.95]", Reduction("max")),
    ],
)
def test_examples(text: str, split: str | None, metric: str, reduction: Reduction | None) -> None:
    """Split, metric and reduction are told apart; an @ before a number belongs to the name."""
    assert MetricAddress.parse(text) == MetricAddress(split, metric, reduction)


@pytest.mark.parametrize(
    "text", ["", " ", "/", "/acc", "val/", "@best", "val/acc@", "val/acc@bset", "val/a@mean:0"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """A mistake is answered with the form of an address or the reductions there are."""
    with pytest.raises(UsageError, match=r"split/metric|allowed are best"):
        MetricAddress.parse(text)
    with pytest.raises(UsageError):
        Reduction.parse("epoch=x")


def test_a_default_reduction_fills_in() -> None:
    """The default is used when no reduction is named, and only then."""
    assert str(MetricAddress.parse("val/acc", default="last")) == "val/acc@last"
    assert str(MetricAddress.parse("val/acc@best", default="last")) == "val/acc@best"
    assert str(MetricAddress.parse(MetricAddress("v", "a"), default="mean:3")) == "v/a@mean:3"


KNOWN = [
    ("val", "acc"),
    ("val", "loss"),
    ("train", "loss"),
    ("a/b", "c"),
    ("val", "odd@name"),
    ("", "e"),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("val/acc", ("val", "acc", None)),
        ("acc", ("val", "acc", None)),
        ("acc@best", ("val", "acc", "best")),
        ("a/b/c", ("a/b", "c", None)),
        ("a/b/c@last", ("a/b", "c", "last")),
        ("odd@name", ("val", "odd@name", None)),
        ("val/odd@name", ("val", "odd@name", None)),
        ("val/odd@name@max", ("val", "odd@name", "max")),
        ("/e", ("", "e", None)),
    ],
)
def test_a_name_of_a_log_is_found_whatever_it_holds(
    text: str, found: tuple[str, str, str | None]
) -> None:
    """Names may hold slashes and @, and a metric of one split needs no split."""
    address = find_address(text, KNOWN)
    reduction = None if address.reduction is None else str(address.reduction)
    assert (address.split, address.metric, reduction) == found
    assert find_address(address, KNOWN) == address


def test_a_metric_of_two_splits_needs_its_split() -> None:
    """What could mean several curves is refused with their names."""
    with pytest.raises(AmbiguousNameError, match="val/loss, train/loss"):
        find_address("loss@best", KNOWN)


def test_an_unknown_metric_names_the_nearest() -> None:
    """A misspelt metric is answered with what may have been meant."""
    with pytest.raises(UnknownKeyError, match=r"no metric 'val/acx' in run 'a'.*'val/acc'"):
        find_address("val/acx", KNOWN, "run 'a'")
    with pytest.raises(UnknownKeyError, match="no metric 'test/acc'"):
        find_address("test/acc", KNOWN)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("acc1", "max"),
        ("val/acc1", "max"),
        ("loss", "min"),
        ("train/bbox_loss", "min"),
        ("val/ValLoss", "min"),
        ("losses", "min"),
        ("loss_bce", "min"),
        ("top1_error", "min"),
        ("top5_err", "min"),
        ("RMSE", "min"),
        ("val/rmse", "min"),
        ("perplexity", "min"),
        ("ppl", "min"),
        ("wer", "min"),
        ("per", "min"),
        ("phone_per", "min"),
        ("FID", "min"),
        ("nll", "min"),
        ("neg_log_likelihood", "min"),
        ("log_likelihood", "max"),
        ("neg_mean_squared_error", "max"),
        ("neg_log_loss", "max"),
        ("mean_per_class_acc", "max"),
        ("samples_per_second", "max"),
        ("mAP@0.5", "max"),
        ("f1", "max"),
        ("auc", "max"),
        ("psnr", "max"),
        ("reward", "max"),
        ("loss_reduction", "max"),
        ("terrain_score", "max"),
        ("lossless", "min"),
        ("", "max"),
    ],
)
def test_losses_and_errors_are_better_when_small(metric: str, direction: str) -> None:
    """The direction is read from the words of a name, not from letters inside a word."""
    assert direction_of(metric) == direction


def test_a_direction_can_be_given() -> None:
    """What is given wins over the guess, with or without the split; the whole name first."""
    assert direction_of("val/acc", {"acc": "min"}) == "min"
    assert direction_of("val/acc", {"val/acc": "min", "acc": "max"}) == "min"
    assert direction_of("val/acc", {"train/acc": "min"}) == "max"
