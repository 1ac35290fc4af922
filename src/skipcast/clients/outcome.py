"""What a batch prediction did."""

from dataclasses import dataclass, field
from pathlib import Path

from skipcast.clients.summaries import Summary, add
from skipcast.errors import SkipcastError
from skipcast.reading.categories import NewTexts


@dataclass
class Outcome:
    """What a batch prediction did."""

    plays: int = 0
    scored: int = 0
    summary: Summary | None = None  # if asked for
    new_texts: NewTexts = field(default_factory=NewTexts)

    def __iadd__(self, other: "Outcome") -> "Outcome":
        """Count what another one did, too."""
        self.plays += other.plays
        self.scored += other.scored
        self.new_texts += other.new_texts
        if other.summary is not None:
            before = self.summary
            self.summary = other.summary if before is None else add(before, other.summary)
        return self

    def check(self, source: Path) -> None:
        """Check that there were plays, and some to score.

        Raises:
            SkipcastError: there were none.
        """
        if not self.plays:
            raise SkipcastError(f"{source} must hold plays but holds none. Correct --input.")
        if not self.scored:
            raise SkipcastError(
                f"{source} must have a play to score, one without skip_2, but its {self.plays} "
                "plays have all ended. Add --score-history to score these, too."
            )
