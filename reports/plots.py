"""Plots as inline SVG, drawn by matplotlib: text stays text, and every colour is one of the page's own.

matplotlib is loaded when the first plot is drawn, since most runs measure nothing. Of its output only the drawing is
kept: no style sheet, id, reference or metadata of it reaches the page.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from brokerproof.reports import words
from brokerproof.reports.curves import Curve, CurvePlot, Rate, Span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLASS: Final = "brokerproof-plot"
PX_PER_IN: Final = 72
"""matplotlib's SVG has 72 units an inch; here a unit is a pixel."""
WIDTH_PX: Final = 440
CURVES_PX: Final = 240
ROW_PX: Final = 38
AXIS_PX: Final = 40
LABELS_PX: Final = 44
EDGE_PX: Final = 8
LEGEND_ROW_PX: Final = 18
LEGEND_COLUMNS: Final = 3
TEXT_PX: Final = 11.5
LONGEST_LABEL: Final = 48
LINEAR_UP_TO: Final = 12
"""How many times the smallest figure the largest may be on a linear axis; beyond, small ones would be flat."""

_STYLES: Final = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 1)))
"""A dash pattern for each colour, so that curves differ without colour too."""
_INK, _QUIET, _LINE = "#000001", "#000002", "#000003"
_SERIES: Final = tuple(f"#00001{number}" for number in range(len(_STYLES)))
_COLOURS: Final = {
    _INK: "var(--ink)",
    _QUIET: "var(--quiet)",
    _LINE: "var(--line)",
    **{stand_in: f"var(--plot-{number})" for number, stand_in in enumerate(_SERIES, start=1)},
}
"""matplotlib is given colours that nobody sees; the page puts its own in their place."""
_TICKED: Final = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_STEPS: Final = (1.0, 2.0, 5.0)
_KEPT_STYLE: Final = ("stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-opacity", "opacity")
_XLINK: Final = "{http://www.w3.org/1999/xlink}href"
_NUMBER: Final = re.compile(r"-?\d+\.\d+")


def curves_svg(plot: CurvePlot, *, client: str) -> str:
    """Percentile curves: latency over the share of samples that were at least as quick."""
    legend = len(plot.curves) + bool(plot.others)
    rows = -(-legend // LEGEND_COLUMNS)
    below = AXIS_PX + (rows * LEGEND_ROW_PX if legend > 1 else 0)
    figure, axes = _figure(CURVES_PX + below, below_px=below, left_px=LABELS_PX, right_px=LABELS_PX / 2)
    drawn = [*plot.others, *plot.curves]
    for one in plot.others:
        _draw_curve(axes, one, _LINE, "-", label="")
    for number, one in enumerate(plot.curves):
        _draw_curve(axes, one, _SERIES[number], _STYLES[number], label=str(number))
    labels = [one.label for one in plot.curves]
    if plot.others:
        axes.plot([], [], color=_LINE, label="others")
        labels.append(words.count(len(plot.others), "other"))
    every = [pair for one in drawn for pair in (*one.points, *one.tail)]
    last = max(pair[0] for pair in every)
    axes.set_xscale("log")
    axes.set_xlim(1, 1 / (1 - last) * 1.05)
    ticks = [one for one in _TICKED if one <= last]
    axes.set_xticks([1 / (1 - one) for one in ticks], [_percent(one) for one in ticks])
    _value_axis(axes, "y", [pair[1] for pair in every], "ms")
    axes.set_xlabel("percentile", color=_QUIET)
    axes.text(0.01, 0.99, "ms", transform=axes.transAxes, ha="left", va="top", color=_QUIET, size=TEXT_PX)
    if legend > 1:
        _legend(figure, labels)
    told = "; ".join(f"{one.label} {_said(one)}" for one in plot.curves)
    return _svg(figure, f"{plot.what} of {client} by percentile", f"{told}. The table has the figures.")


def spans_svg(spans: Sequence[Span], *, what: str) -> str:
    """Clients one below the other, each from its median to a high percentile."""
    figure, axes = _figure(EDGE_PX + AXIS_PX + ROW_PX * len(spans), below_px=AXIS_PX)
    for row, span in enumerate(spans):
        axes.plot([span.median_ms, span.high_ms], [row, row], color=_SERIES[0], linewidth=3, solid_capstyle="butt")
        axes.plot([span.median_ms], [row], color=_SERIES[0], marker="o", markersize=7)
        axes.plot([span.high_ms], [row], color=_SERIES[0], marker="|", markersize=10, markeredgewidth=2)
        _row_label(
            axes, row, span.label, f"{words.figure(span.median_ms)} to {words.figure(span.high_ms)} ms", above=0.2
        )
    _value_axis(axes, "x", [ms for span in spans for ms in (span.median_ms, span.high_ms)], "ms")
    _rows(axes, len(spans))
    told = "; ".join(
        f"{span.label} p50 {words.figure(span.median_ms)} ms, {span.high} {words.figure(span.high_ms)} ms"
        for span in spans
    )
    return _svg(figure, f"{what}, median to high percentile", told)


def rates_svg(rates: Sequence[Rate]) -> str:
    """Clients one below the other, each with a bar a direction."""
    directions = tuple(dict.fromkeys(direction for rate in rates for direction, _ in rate.mb_per_s))
    below = AXIS_PX + LEGEND_ROW_PX
    figure, axes = _figure(EDGE_PX + below + ROW_PX * len(rates), below_px=below)
    thick = 0.4 / max(1, len(directions))
    for place, direction in enumerate(directions):
        found = [(row, one) for row, rate in enumerate(rates) for name, one in rate.mb_per_s if name == direction]
        axes.barh(
            [row + 0.08 + (place - (len(directions) - 1) / 2) * thick for row, _ in found],
            [one for _, one in found],
            height=thick * 0.9,
            color=_SERIES[place],
            label=str(place),
        )
    for row, rate in enumerate(rates):
        _row_label(axes, row, rate.label, ", ".join(words.figure(one) for _, one in rate.mb_per_s) + " MB/s", above=0.2)
    axes.set_xlim(0, max((one for rate in rates for _, one in rate.mb_per_s), default=0) * 1.02 or 1)
    axes.set_xlabel("MB/s", color=_QUIET)
    _rows(axes, len(rates))
    _legend(figure, directions)
    told = "; ".join(
        f"{rate.label} {', '.join(f'{direction} {words.figure(one)} MB/s' for direction, one in rate.mb_per_s)}"
        for rate in rates
    )
    return _svg(figure, "throughput by client", told)


def style() -> str:
    """CSS of every plot of a page; the colours of curves are the page's, light and dark."""
    return (
        f".{CLASS}{{display:block;width:100%;max-width:{WIDTH_PX * 5 // 4}px;height:auto}}"
        f".{CLASS} text{{font-family:var(--sans)}}"
    )


def _figure(
    height_px: float, *, below_px: float, left_px: float = EDGE_PX, right_px: float = EDGE_PX
) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # noqa: PLC0415  slow to load, and most runs measure nothing

    figure = Figure(figsize=(WIDTH_PX / PX_PER_IN, height_px / PX_PER_IN), facecolor="none")
    right, top = 1 - right_px / WIDTH_PX, 1 - EDGE_PX / height_px
    # Fixed, since a layout that looks for room draws everything twice.
    figure.subplots_adjust(left=left_px / WIDTH_PX, right=right, bottom=below_px / height_px, top=top)
    axes = figure.subplots()
    axes.set_facecolor("none")
    axes.grid(visible=True, color=_LINE, linewidth=0.75)
    axes.set_axisbelow(True)
    axes.minorticks_off()
    axes.tick_params(length=0, pad=6, colors=_QUIET, labelcolor=_QUIET, labelsize=TEXT_PX)
    axes.xaxis.label.set_fontsize(TEXT_PX)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_QUIET)
    return figure, axes


def _legend(figure: Figure, labels: Sequence[str]) -> None:
    """The legend of what was drawn with a label, in that order; the words are put in afterwards, as they are."""
    made = figure.legend(
        loc="lower left",
        ncols=LEGEND_COLUMNS,
        frameon=False,
        labelcolor=_INK,
        fontsize=TEXT_PX,
        borderaxespad=0,
        borderpad=0.2,
        columnspacing=1.2,
    )
    for text, label in zip(made.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(_cut(label))


def _draw_curve(axes: Axes, one: Curve, colour: str, dashes: Any, *, label: str) -> None:
    for pairs, wide, named in ((one.points, 2.0, label), (one.tail, 0.9, "")):
        x = [1 / (1 - quantile) for quantile, _ in pairs]
        axes.plot(
            x, [ms for _, ms in pairs], color=colour, linestyle=dashes, linewidth=wide, label=named, clip_on=False
        )


def _said(one: Curve) -> str:
    """The ends of a curve in words, for those who do not see it."""
    quantile, ms = one.points[-1]
    return f"from {words.figure(one.points[0][1])} ms to {words.figure(ms)} ms at {_percent(quantile)}"


def _percent(quantile: float) -> str:
    return f"{float(f'{100 * quantile:.4f}'):g} %"


def _value_axis(axes: Axes, which: str, values: Sequence[float], unit: str) -> None:
    """Linear from zero, or logarithmic where the largest would flatten the smallest."""
    low, high = max(min(values), 0.001), max(*values, 0.001)
    if high / low <= LINEAR_UP_TO:
        axes.set(**{f"{which}lim": (0, high * 1.05)})
    else:
        axes.set(**{f"{which}scale": "log"})
        low, high = low / 1.15, high * 1.15
        axes.set(**{f"{which}lim": (low, high)})
        steps = _STEPS if high / low < 1_000 else _STEPS[:1]  # noqa: PLR2004  three decades of three ticks fill an axis
        ticks = [step * 10.0**power for power in range(-3, 8) for step in steps if low <= step * 10.0**power <= high]
        axes.set(**{f"{which}ticks": ticks, f"{which}ticklabels": [f"{tick:,g}" for tick in ticks]})
    axes.minorticks_off()
    if which == "x":
        axes.set_xlabel(unit, color=_QUIET)


def _row_label(axes: Axes, row: int, label: str, figures: str, *, above: float) -> None:
    """Above its row, from edge to edge: a client's name may be long."""
    given: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "bottom", "size": TEXT_PX}
    axes.text(0, row - above, _cut(label), ha="left", color=_INK, parse_math=False, **given)
    axes.text(1, row - above, figures, ha="right", color=_QUIET, **given)


def _cut(label: str) -> str:
    """A label as it may stand in a plot."""
    text = " ".join(words.printable(label).split())
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _rows(axes: Axes, number: int) -> None:
    axes.set_ylim(number - 0.6, -0.8)
    axes.set_yticks([])


# What matplotlib wrote, as an element of the page


def _svg(figure: Figure, title: str, description: str) -> str:
    from matplotlib import rc_context  # noqa: PLC0415  as above

    written = io.StringIO()
    # Text as text: it is read aloud, copied, and set in the page's own font.
    # A letter that matplotlib's own font has not is for the page's fonts to show.
    with warnings.catch_warnings(), rc_context({"svg.fonttype": "none", "svg.hashsalt": CLASS, "path.simplify": False}):
        warnings.filterwarnings("ignore", "Glyph ", UserWarning)
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(written.getvalue())  # noqa: S314  written a moment ago, its text escaped
    shared = {one.get("id", ""): one for one in root.iter() if _tag(one) == "path" and one.get("id")}
    drawn = "".join(_element(child, shared) for child in root)
    width, height = (float(figure.get_size_inches()[side]) * PX_PER_IN for side in (0, 1))
    said = (escape(words.printable(text)) for text in (title, description))
    return (
        f'<svg class="{CLASS}" role="img" viewBox="0 0 {width:g} {height:g}">'
        f"<title>{next(said)}</title><desc>{next(said)}</desc>{drawn}</svg>"
    )


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _element(element: ET.Element, shared: dict[str, ET.Element]) -> str:
    """The element and what is in it, as far as it is drawing; a use of a shared path becomes that path."""
    match _tag(element):
        case "g":
            inside = "".join(_element(child, shared) for child in element)
            return f"<g{_attributes(element, 'transform')}{_style(element)}>{inside}</g>" if inside else ""
        case "path" if element.get("d"):
            return f"<path{_attributes(element, 'd', 'transform')}{_style(element)}/>"
        case "use":
            original = shared[element.get(_XLINK, "").removeprefix("#")]
            place = f"translate({_short(element.get('x', '0'))} {_short(element.get('y', '0'))})"
            return f'<path{_attributes(original, "d")} transform="{place}"{_style(element)}/>'
        case "text":
            anchor = _styles(element).get("text-anchor", "start")
            size = f'font-size="{TEXT_PX}" text-anchor="{anchor}"'
            said = escape("".join(element.itertext()).strip())
            return f"<text {size}{_attributes(element, 'x', 'y', 'transform')}{_style(element)}>{said}</text>"
        case _:  # definitions, clips, metadata
            return ""


def _attributes(element: ET.Element, *names: str) -> str:
    return "".join(
        f' {name}="{escape(" ".join(_short(element.attrib[name]).split()))}"'
        for name in names
        if name in element.attrib
    )


def _short(text: str) -> str:
    """Two decimals are a hundredth of a pixel."""
    return _NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), text)


def _styles(element: ET.Element) -> dict[str, str]:
    pairs = (part.partition(":") for part in element.get("style", "").split(";") if ":" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _style(element: ET.Element) -> str:
    """Colour and stroke, in the page's own colours; a colour that is not one of them is left out."""
    given = _styles(element)
    styles = list(_coloured(given))
    styles += [f"{name}:{_short(given[name])}" for name in _KEPT_STYLE if name in given]
    return f' style="{";".join(styles)}"' if styles else ""


def _coloured(given: dict[str, str]) -> Iterator[str]:
    for name in ("fill", "stroke"):
        value = given.get(name, "")
        if value:
            yield f"{name}:{_COLOURS.get(value, 'none')}"
