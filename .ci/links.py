"""Ask whether the pages of other sites that ours link are there; without a network, say so and pass."""

import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

AGENT = {"User-Agent": "Mozilla/5.0 (links of lossy_lightning's documentation)"}


def pages(name: str) -> list[Path]:
    """A page, or those of a folder."""
    path = Path(name)
    return sorted(path.rglob("*.md")) if path.is_dir() else [path]


def answer(link: str) -> str:
    """What is wrong with a link; empty if nothing is."""
    try:
        with urllib.request.urlopen(urllib.request.Request(link, headers=AGENT), timeout=20):
            return ""
    except urllib.error.HTTPError as error:
        # Some sites refuse programs, which says nothing of the page.
        return "" if error.code in (401, 403, 405, 429) else f"answers {error.code}"
    except OSError as error:
        return f"cannot be reached: {error}"


def main() -> None:
    """Print the links that lead nowhere, and exit with status 1 if there are any."""
    links: dict[str, Path] = {}
    for page in (page for name in sys.argv[1:] for page in pages(name)):
        for link in re.findall(r"https?://[^\s)>\]\"'`]+", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
            links.setdefault(link.partition("#")[0].rstrip(".,;:"), page)
    if answer("https://github.com"):  # a mirror of packages alone is no network
        print(f"there is no network: {len(links)} links are not checked")
        return
    wrong = {link: said for link in links if (said := answer(link))}
    for link, said in wrong.items():
        print(f"{links[link]}: {link} {said}")
    print(f"{len(links)} links, {len(wrong)} wrong")
    sys.exit(bool(wrong))


main()
