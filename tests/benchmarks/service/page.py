"""The page of a large study in a browser: when it is shown, and for how long it does not answer a click."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome

from tests.browser.chromium import open_chromium

WATCHED_SECONDS = 45.0
"""In which the page is shown, and then asks for what is new at least twice."""
LONGEST_SECONDS = 600.0
PARTS = ("best trial", "our plots", "history")
# Before any script of a page: notes when a part is there, its tasks of more than 50 ms, and how late a timer is, which
# is how long a click would wait.
WATCH = """
window.watched = {shown: {}, tasks: [], late: []};
const parts = {
  'best trial': () => document.body.innerText.includes('Best Trial'),
  'our plots': () => [...document.querySelectorAll('[id^="user-defined-plot:search-"]')]
    .filter(each => each.querySelector('.trace')).length >= 4,
  'history': () => document.querySelector('#plot-history .trace') !== null,
};
new PerformanceObserver(list => list.getEntries().forEach(
  entry => window.watched.tasks.push([entry.startTime, entry.duration]))).observe({type: 'longtask', buffered: true});
let due = performance.now() + 50;
setInterval(() => {
  const now = performance.now();
  window.watched.late.push([now, now - due]);
  due = now + 50;
  for (const [name, test] of Object.entries(parts))
    if (!(name in window.watched.shown) && document.body && test()) window.watched.shown[name] = now;
}, 50);
"""
ANSWERS = """
return performance.getEntriesByType('resource').filter(each => /api.studies.[0-9]+.after=/.test(each.name)).map(
  each => [each.responseEnd - each.startTime, each.transferSize, each.decodedBodySize]);
"""


@contextmanager
def serve(address: str, environment: dict[str, str]) -> Iterator[str]:
    """Run `search dashboard` for a storage, and yield the URL that opens it once."""
    command = [sys.executable, "-P", "-m", "search", "dashboard", "--port=0", "--storage", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[2]
        finally:
            server.terminate()


@contextmanager
def browse(opening: str) -> Iterator[Chrome]:
    """Yield a browser that was let in."""
    with tempfile.TemporaryDirectory() as folder, open_chromium(Path(folder, "profile"), height=1000) as browser:
        browser.command_executor._client_config.timeout = LONGEST_SECONDS
        browser.set_script_timeout(LONGEST_SECONDS)
        browser.set_page_load_timeout(LONGEST_SECONDS)
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        browser.get(opening)
        yield browser


def measure_visit(browser: Chrome, url: str, seconds: float = WATCHED_SECONDS) -> dict[str, float]:
    """Open a study's page and watch it; return seconds, and the megabytes of the first answer.

    `shown`: until all of PARTS are there, and a click is answered. `answer`: from the question to the server until its
    answer has come. `first wait`, `later wait`: the longest that a click would wait until all is shown, and while the
    page is looked at. `sent`, `size`: megabytes of the answer, compressed and not.
    """
    browser.execute_cdp_cmd("Page.navigate", {"url": url})  # returns before the page is loaded
    time.sleep(seconds)
    watched: dict[str, Any] = browser.execute_script("return window.watched")  # type: ignore[no-untyped-call]
    answers = browser.execute_script(ANSWERS)  # type: ignore[no-untyped-call]
    assert watched["shown"].keys() == set(PARTS), f"after {seconds:.0f} s only {[*watched['shown']]} are shown"
    shown = max(watched["shown"].values())
    waits = [(at <= shown, late / 1000) for at, late in watched["late"]]
    return {
        "shown s": shown / 1000,
        "answer s": answers[0][0] / 1000,
        "first wait s": max(late for first, late in waits if first),
        "later wait s": max((late for first, late in waits if not first), default=0.0),
        "sent MB": answers[0][1] / 1e6,
        "size MB": answers[0][2] / 1e6,
    }
