# SPDX-License-Identifier: Apache-2.0
"""The management command of docs/operating.md takes back what an earlier release does not have, and only that."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from support import projects
from support.scripts import ROOT

MODEL = "from django.db import models\nclass Item(models.Model):\n    name = models.CharField(max_length=9)\n"
COMMAND = re.compile(r"```python\n# (shop/management/\S+)\n(.*?)```", re.DOTALL)


@pytest.mark.slow
def test_migrations_are_undone_that_the_earlier_release_does_not_have(tmp_path: Path) -> None:
    python = projects.programs("asgiref", "django", "sqlparse") / "python"
    later, earlier = tmp_path / "later", tmp_path / "earlier"
    later.mkdir()

    def manage(*words: str) -> str:
        variables = {**os.environ, "WSGI_ROLLBACK_DIRECTORY": str(earlier)}
        return projects.run([str(python), "manage.py", *words], later, variables)

    projects.run([str(python), "-m", "django", "startproject", "site_of_shop", "."], later)
    manage("startapp", "shop")
    settings = later / "site_of_shop/settings.py"
    settings.write_text(settings.read_text() + "INSTALLED_APPS += ['shop']\n")
    (later / "shop/models.py").write_text(MODEL)
    manage("makemigrations", "shop", "--name", "one")
    shutil.copytree(later, earlier)
    (later / "shop/models.py").write_text(f"{MODEL}    more = models.IntegerField(default=0)\n")
    manage("makemigrations", "shop", "--name", "two")
    found = COMMAND.search((ROOT / "docs/operating.md").read_text(encoding="utf-8"))
    assert found
    (later / found[1]).parent.mkdir(parents=True)
    (later / found[1]).write_text(found[2])
    manage("migrate", "shop")
    manage("undo_migrations")
    assert manage("showmigrations", "shop").split() == ["shop", "[X]", "0001_one", "[", "]", "0002_two"]
    manage("undo_migrations")  # again, and nothing forward
    assert manage("showmigrations", "shop").split() == ["shop", "[X]", "0001_one", "[", "]", "0002_two"]
