"""What a person at the driver has to see, and how often."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A sentence for a person; of several `about` one matter, the first alone is said.

    Without a matter only the same sentence is not said again.
    """

    text: str
    about: str = ""

    @property
    def matter(self) -> str:
        """What it is about: by itself, the sentence."""
        return self.about or self.text
