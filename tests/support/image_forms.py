# SPDX-License-Identifier: Apache-2.0
"""What tests/images looks at: the newest image for Python 3.11 and its slim form, or those of MODWSGI_IMAGE."""

from __future__ import annotations

import os

import pytest

from support.breadth import wider
from support.containers import BASE
from support.scripts import ROOT
from tools.laboratory.wsgi_images import versions

FORMS = {"default": BASE, "slim": f"{BASE}-slim"}
OTHERS = pytest.mark.breadth("images for other Pythons, made by the same recipe")
#: All images of images/versions.json, or only the named one, in both forms.
EVERY = [
    pytest.param(name, marks=() if BASE in image.names else OTHERS)
    for image in versions(ROOT)
    if "MODWSGI_IMAGE" not in os.environ or BASE in image.names
    for name in (image.names[0], image.slim_names[0])
]
APPLICATION = ROOT / "tests/images/app"


#: The slim form first: what it has is taken out of the default one, whose entry point and configuration it has.
BOTH = wider(("slim", "default"), "the same in the form of which the slim one is a part")
