"""Derived seeds: the same for ever, and none shared."""

from objectives.base.seeds import derive_seed


def test_golden_values() -> None:
    """They change only with the curve of every stored trial."""
    assert derive_seed(0) == 6_049_811_507_646_219_884
    assert derive_seed(0, 0) == 2_185_488_320_886_932_970
    assert derive_seed(7, "weights") == 8_218_372_455_654_415_269
    assert derive_seed(7, "order", 3) == 1_989_439_520_420_265_032


def test_no_two_of_ten_thousand_are_equal() -> None:
    trials = [derive_seed(study, trial) for study in range(50) for trial in range(200)]
    assert len(set(trials)) == 10_000
    uses = [derive_seed(seed, use, epoch) for seed in range(50) for use in ("order", "weights") for epoch in range(100)]
    assert len({*uses, *trials}) == 20_000


def test_every_part_and_the_order_matter() -> None:
    seeds = [
        derive_seed(1, 2),
        derive_seed(2, 1),
        derive_seed(12),
        derive_seed(1, 2, 0),
        derive_seed("a", "b"),
        derive_seed("ab"),
        derive_seed("a", ""),
    ]
    assert len(set(seeds)) == len(seeds)


def test_range_suits_a_database_and_torch() -> None:
    seeds = [derive_seed(number) for number in range(1000)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62
