from __future__ import annotations

import io

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scripted import scorecard

from permix.evaluation.scorecard import Scorecard
from permix.report.persona_chart import persona_chart
from permix.report.plane import plane
from permix.report.words import persona_name

BASE = scorecard({"organism/hasty-pirate": 0.7, "organism/confused-butler": 0.9, "neutral": 0.3})
CANDIDATE = scorecard({"organism/hasty-pirate": 0.1})
UNMEASURED = CANDIDATE.model_copy(update={"fidelity": CANDIDATE.fidelity.model_copy(update={"roleplay": None})})


def png(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60)
    return Image.open(buffer)


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)}


def test_a_bar_for_every_persona_of_every_model_with_the_neutral_line() -> None:
    figure = persona_chart({"base": BASE, "candidate": CANDIDATE})
    widths = sorted(round(patch.get_width(), 6) for patch in figure.axes[0].patches)
    cards = (BASE, CANDIDATE)
    assert widths == sorted(round(persona.accuracy.value, 6) for card in cards for persona in card.personas)
    assert {"adverse", "off domain", "hasty pirate", "candidate"} <= words(figure)
    lines = [line.get_xdata()[0] for line in figure.axes[0].lines if len(set(line.get_xdata())) == 1]
    assert {BASE.stability.neutral.value, CANDIDATE.stability.neutral.value} <= {float(x) for x in lines}
    image = png(figure)
    assert image.height > 300
    assert len(image.convert("RGB").getcolors(1 << 20)) > 50


def test_models_asked_under_different_personas_share_no_chart() -> None:
    fewer = CANDIDATE.model_copy(update={"personas": CANDIDATE.personas[:-1]})
    with pytest.raises(ValueError, match="different personas"):
        persona_chart({"base": BASE, "candidate": fewer})


def points(figure: Figure) -> set[tuple[float, float]]:
    return {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in figure.axes[0].lines
        if len(line.get_xdata()) == 1
    }


def test_the_plane_has_a_point_for_every_model() -> None:
    figure = plane({"base": BASE, "candidate": CANDIDATE})

    def point(card: Scorecard) -> tuple[float, float]:
        assert card.fidelity.roleplay is not None
        return card.stability.pss.value, card.fidelity.roleplay.value

    assert {point(BASE), point(CANDIDATE)} <= points(figure)
    assert {"base", "candidate"} <= words(figure)
    assert png(figure).width > 300


def test_a_fidelity_that_was_not_measured_is_said_on_the_plane() -> None:
    figure = plane({"base": BASE, "candidate": UNMEASURED})
    assert "candidate (fidelity not measured)" in words(figure)
    assert all(y < 0 for x, y in points(figure) if x == UNMEASURED.stability.pss.value)
    png(figure)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("You are a hasty pirate.", "hasty pirate"),
        ("You are an old nurse", "old nurse"),
        ("", "id/1"),
        ("A 71-year-old retired nurse from Italy, volunteering", "A 71-year-old retired nurse from…"),
    ],
)
def test_a_persona_in_a_few_words(text: str, name: str) -> None:
    assert persona_name("id/1", text) == name
