"""A headless Chromium, driven by selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
MISSING = "no chromium with a chromedriver is on PATH; on Debian: apt install chromium chromium-driver"


def find_chromium() -> tuple[str, str] | None:
    """Return the paths of Chromium and of its driver; None if one of them is missing."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return None if chromium is None or driver is None else (chromium, driver)


@contextmanager
def open_chromium(profile: Path, *, width: int = 1400, height: int = 2400, scale: float = 1) -> Iterator[Chrome]:
    """Yield a browser with an empty profile and a window of this size, in CSS pixels; quit it afterwards."""
    found = find_chromium()
    assert found is not None, MISSING
    options = Options()
    options.binary_location = found[0]
    size = (f"--window-size={width},{height}", f"--force-device-scale-factor={scale}")
    for flag in (*FLAGS, *size, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(found[1]))
    try:
        yield chrome
    finally:
        chrome.quit()
