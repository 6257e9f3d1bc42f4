# SPDX-License-Identifier: Apache-2.0
"""The WSGI script of wsgi-debug: it loads one application into the process of mod_wsgi-express.

The application finds what it has with wsgi-run. When it cannot be loaded, the debugger opens where it failed.

Installed by the role wsgi_app; changes are overwritten.
"""

import sys

SEARCHED = list(sys.path)
# mod_wsgi-express searches the folder of the application first, and a module there may be called like one of Python's.
sys.path.sort(key=lambda path: not path.startswith(sys.base_prefix + "/lib"))

import functools
import os
import pdb  # noqa: T100 - that is what this is for
import traceback
import types

import wsgi_run


class Debugger(pdb.Pdb):
    """The debugger, which leaves Ctrl-C alone: that ends the server.

    mod_wsgi does not let it take the signal anyway, and before version 6 says so on a page at each command.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **dict(options, nosigint=True))


pdb.Pdb = Debugger


def set_module_path(deployment, helpers):
    """Let imports find what the application has, and nothing that was needed only to come here."""
    release = deployment.release
    first = [release] + [os.path.join(release, path) for path in deployment.application["python_path"]]
    sys.path[:] = first + [path for path in sys.path if path not in (*first, helpers)]


def load_script(deployment):
    """The WSGI callable of the application's own script; the debugger shows the real file."""
    path = os.path.join(deployment.release, deployment.application["script"])
    with open(path, "rb") as stream:
        code = compile(stream.read(), path, "exec")
    module = types.ModuleType("wsgi_script")
    module.__file__ = path
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)  # noqa: S102 - this is what a WSGI script is for
    return functools.reduce(getattr, deployment.application["callable"].split("."), module)


def start():
    """The WSGI callable of the application that wsgi-debug has named.

    When it cannot be loaded, the next request comes here again, in the same process.
    """
    helpers = os.environ.get("PYTHONPATH")
    deployment = wsgi_run.deployment(os.environ["WSGI_APP"])
    complete = wsgi_run.environment(*deployment, inherited=dict(os.environ))
    os.environ.clear()  # also of what express has put there
    os.environ.update(complete)
    sys.path[:] = SEARCHED
    set_module_path(deployment, helpers)
    try:
        return load_script(deployment)
    except Exception as error:
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stdout)
        pdb.post_mortem(error.__traceback__)
        raise


application = start()
