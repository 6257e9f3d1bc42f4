"""A shop whose average price of nothing is a mistake."""

import os

import pages

# For the test of an application that cannot be loaded.
obstacle = os.path.join(os.environ["WSGI_STATE_DIRECTORY"], "obstacle")
if os.path.exists(obstacle):
    raise RuntimeError("there is an obstacle")


class Shop:
    """Holds the WSGI application, to prove that a dotted name is found."""

    application = staticmethod(pages.application)
