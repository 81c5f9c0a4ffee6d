"""The classes that are taken for others, in words."""

from __future__ import annotations

from objectives.base.plurals import count_noun
from search.report.document.content.classes import ClassConfusion, Mistake
from search.report.document.wording.blocks import Section, Text, format_share


def describe_classes(confusion: ClassConfusion) -> Section:
    """Return which classes the best trial confuses most."""
    begin = (
        f"Trial {confusion.trial} took {confusion.wrong} of {count_noun(confusion.images, 'validation image')} for "
        f"another class, in epoch {confusion.epoch + 1}, that of its value."
    )
    return Section(title="Classes", blocks=(Text(begin), *(Text(_describe(each)) for each in confusion.mistakes)))


def _describe(mistake: Mistake) -> str:
    taken = f"{mistake.count} {'was' if mistake.count == 1 else 'were'} taken for {mistake.taken_for}"
    share = format_share(mistake.count / mistake.images)
    return f"Of {count_noun(mistake.images, 'image')} of class {mistake.name}, {taken} ({share})."
