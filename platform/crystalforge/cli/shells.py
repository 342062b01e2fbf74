"""The script by which zsh completes: Typer's, mended so that the first Tab of a terminal is answered too.

zsh takes the file of a completion for the body of its function, and reads it at the first Tab. Typer's only defines and
registers another function there, so that Tab gives nothing; this one also calls it.
"""

from __future__ import annotations

import sys

SCRIPT_OPTIONS = ("--install-completion", "--show-completion")
REGISTERS = "compdef %(complete_func)s %(prog_name)s"
CALLS_OR_REGISTERS = f"""if [[ $zsh_eval_context[-1] == (loadautofunc|shfunc) ]]; then
  %(complete_func)s "$@"
else
  {REGISTERS}
fi"""


def mend_zsh() -> None:
    """Mend the script before Typer writes or shows it; any other command is left alone."""
    if set(SCRIPT_OPTIONS) & set(sys.argv):
        from typer import _completion_shared

        scripts = _completion_shared._completion_scripts
        scripts["zsh"] = scripts["zsh"].replace(REGISTERS, CALLS_OR_REGISTERS)
