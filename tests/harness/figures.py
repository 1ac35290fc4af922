"""What tests ask of any figure."""

from matplotlib.figure import Figure


def is_whole(figure: Figure) -> bool:
    """Tell whether all that is drawn, texts included, lies within the figure."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return bool(min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height)


def title_of(figure: Figure) -> str:
    """Return the title of a figure, or of its first axes."""
    return figure.get_suptitle() or figure.axes[0].get_title(loc="left")
