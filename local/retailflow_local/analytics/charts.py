"""The charts of the report, as Plotly figures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

CHANNELS = {"online": "#1b6ef3", "store": "#f08c00"}
STOCK = {"stocked_out": "#d6336c", "below_reorder_point": "#f08c00", "in_stock": "#2f9e44"}
STEPS = ("sessions", "viewed", "carted", "checked_out", "purchased")
_LAYOUT = {
    "template": "plotly_white",
    "margin": {"l": 60, "r": 20, "t": 40, "b": 40},
    "height": 370,
    "autosize": True,
    "font": {"family": "system-ui, sans-serif", "size": 13},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
}


def revenue(rows: "pandas.DataFrame", currency: str) -> "Figure":
    """Return stacked bars per day. `rows` has one row per date and channel: business_date, channel, net_amount."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=_LAYOUT | {"barmode": "relative", "yaxis_title": f"net, {currency}"})
    for channel, own in rows.groupby("channel"):
        amounts = own["net_amount"].astype(float)
        figure.add_bar(x=own["business_date"], y=amounts, name=channel, marker_color=CHANNELS[channel])
    return figure


def categories(rows: "pandas.DataFrame", currency: str) -> "Figure":
    """Return stacked bars per category. `rows` has one row per category and channel: category, channel, net_amount."""
    import plotly.graph_objects as go

    layout = {"barmode": "relative", "xaxis_title": f"net, {currency}", "yaxis_categoryorder": "total ascending"}
    figure = go.Figure(layout=_LAYOUT | layout | {"margin": _LAYOUT["margin"] | {"l": 140}})
    for channel, own in rows.groupby("channel"):
        amounts = own["net_amount"].astype(float)
        figure.add_bar(x=amounts, y=own["category"], name=channel, orientation="h", marker_color=CHANNELS[channel])
    return figure


def stock(rows: "pandas.DataFrame") -> "Figure":
    """Return stacked bars per store. `rows` has one row per store: store_name, and a count of products per STOCK."""
    import plotly.graph_objects as go

    layout = {"barmode": "stack", "xaxis_title": "products", "margin": _LAYOUT["margin"] | {"l": 180}}
    figure = go.Figure(layout=_LAYOUT | layout | {"height": 150 + 26 * len(rows)})
    for column, colour in STOCK.items():
        name = column.replace("_", " ")
        figure.add_bar(x=rows[column], y=rows["store_name"], name=name, orientation="h", marker_color=colour)
    return figure


def funnel(rows: "pandas.DataFrame") -> "Figure":
    """Return the funnel of web sessions. `rows` has one row, with a count of sessions per step of STEPS."""
    import plotly.graph_objects as go

    counts = [int(rows.iloc[0][step] or 0) for step in STEPS]
    names = [step.replace("_", " ") for step in STEPS]
    layout = _LAYOUT | {"margin": _LAYOUT["margin"] | {"l": 110}}
    return go.Figure(
        go.Funnel(y=names, x=counts, textinfo="value+percent initial", marker_color="#1b6ef3"), layout=layout
    )
