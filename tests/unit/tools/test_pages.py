# SPDX-License-Identifier: Apache-2.0
"""Dead links and lines that are too long are found in a page; a page without them passes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import pages

GOOD = f"""# A page

[here](#a-page), [there](page.md#a-page), [elsewhere](https://example.com/#x)

| {"a wide table " * 9}|

```text
{"code " * 30} [no](link)
```
"""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", ""),
        ("[a](other.md)", "page.md: other.md leads to nothing; correct the link.\n"),
        ("[a](page.md#b)", "page.md: page.md#b leads to nothing; correct the link.\n"),
        ("[a](#b)", "page.md: #b leads to nothing; correct the link.\n"),
        ("[a](../page.md)", "page.md: ../page.md leads to nothing; correct the link.\n"),
        ("x" * 99 + " x", "page.md:10: the line has 101 characters; wrap it at 100.\n"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(
    more: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "page.md").write_text(GOOD + more)
    assert pages.main(tmp_path) == (1 if said else 0)
    assert capsys.readouterr().out == said
