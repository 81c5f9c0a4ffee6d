"""The dashboard in a real browser: headless Chromium, driven by selenium."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import (
    element_to_be_clickable,
    text_to_be_present_in_element,
)
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.chromium import MISSING, find_chromium, open_chromium
from tests.search.serving import COMPLETE, PRUNED, STUDY, Dashboard, make_study, serving

pytestmark = pytest.mark.browser

PATIENCE_S = 60
TRIALS = (*COMPLETE, *PRUNED)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """Yield a browser; without Chromium, skip, but fail in continuous integration."""
    if find_chromium() is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with open_chromium(tmp_path / "profile") as chrome:
        yield chrome


@pytest.fixture
def dashboard(database_url: str) -> Iterator[Dashboard]:
    """Yield a read-only dashboard with one study."""
    make_study(database_url)
    with serving(SEARCH_STORAGE=database_url) as served:
        yield served


def test_the_study_is_listed_and_its_page_draws_its_trials(browser: Chrome, dashboard: Dashboard) -> None:
    wait = WebDriverWait(browser, PATIENCE_S)
    browser.get(dashboard.opening)
    wait.until(element_to_be_clickable((By.PARTIAL_LINK_TEXT, STUDY))).click()
    wait.until(lambda _: "/studies/" in browser.current_url)
    # The history has a point for each trial and a line for the best; the intermediate values add their own.
    reports = sum(len(curve) for curve in TRIALS)
    wait.until(lambda _: points(browser) >= len(TRIALS) + reports)
    wait.until(lambda _: lines(browser) >= 1 + len(TRIALS))
    assert errors(browser) == []


@pytest.mark.long
def test_pages_work_although_nothing_can_be_changed(browser: Chrome, dashboard: Dashboard) -> None:
    wait = WebDriverWait(browser, PATIENCE_S)
    browser.get(dashboard.opening)
    pages = {"analytics": "Slice", "trials": "Intermediate Values", "smartSelection": "Parallel Coordinate"}
    for page, shown in pages.items():
        browser.get(f"{dashboard.url}dashboard/studies/1/{page}")
        wait.until(text_to_be_present_in_element((By.TAG_NAME, "body"), shown))
    assert errors(browser) == []


def test_a_refusal_shows_its_reason_and_buttons_that_never_work_are_hidden(
    browser: Chrome, dashboard: Dashboard
) -> None:
    wait = WebDriverWait(browser, PATIENCE_S)
    browser.get(dashboard.opening)
    wait.until(element_to_be_clickable((By.XPATH, "//button[contains(., 'Create')]"))).click()
    wait.until(element_to_be_clickable((By.CSS_SELECTOR, "[role=dialog] input"))).send_keys("another")
    wait.until(element_to_be_clickable((By.XPATH, "//*[@role='dialog']//button[contains(., 'Create')]"))).click()
    wait.until(text_to_be_present_in_element((By.ID, "search-reason"), "read-only"))
    assert "search run" in browser.find_element(By.ID, "search-reason").text
    for label in ("rename study", "delete study"):
        buttons = browser.find_elements(By.CSS_SELECTOR, f'[aria-label="{label}"]')
        assert buttons
        assert not any(button.is_displayed() for button in buttons)


def test_a_person_logs_in_with_the_password_and_out_again(browser: Chrome, database_url: str) -> None:
    make_study(database_url)
    wait = WebDriverWait(browser, PATIENCE_S)
    with serving(SEARCH_STORAGE=database_url, SEARCH_DASHBOARD_PASSWORD="geheim") as served:
        browser.get(served.url)
        phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        for word in ("wrong", "geheim"):
            wait.until(element_to_be_clickable((By.NAME, "secret"))).send_keys(word, "\n")
            if word == "wrong":
                wait.until(text_to_be_present_in_element((By.TAG_NAME, "body"), "That is not the password"))
        wait.until(element_to_be_clickable((By.PARTIAL_LINK_TEXT, STUDY)))
        browser.find_element(By.LINK_TEXT, "Log out").click()
        wait.until(element_to_be_clickable((By.TAG_NAME, "button"))).click()
        wait.until(element_to_be_clickable((By.NAME, "secret")))
        browser.get(f"{served.url}dashboard")
        assert browser.current_url.endswith("/login")


def points(browser: Chrome) -> int:
    """How many markers the page's plots have drawn."""
    return len(browser.find_elements(By.CSS_SELECTOR, "svg.main-svg .scatterlayer .points path.point"))


def lines(browser: Chrome) -> int:
    """How many lines the page's plots have drawn."""
    return len(browser.find_elements(By.CSS_SELECTOR, "svg.main-svg .scatterlayer path.js-line"))


def errors(browser: Chrome) -> list[str]:
    """What went wrong on the page, by its console; a browser asks for an icon whether or not there is one."""
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    return [message for message in severe if "favicon" not in message]
