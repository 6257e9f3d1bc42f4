/* SPDX-License-Identifier: Apache-2.0
 * Python's command line on the shared library that mod_wsgi needs anyway. Debian's own program has all of Python in it once more. */
#include <Python.h>

int main(int count, char **words)
{
    return Py_BytesMain(count, words);
}
