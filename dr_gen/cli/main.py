"""Running a command: exit codes, and one line for whatever goes wrong."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from dr_gen.errors import DrGenError

__all__ = ["main"]

EXIT_MISUSE, EXIT_BUG, EXIT_INTERRUPTED = 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``dr-gen`` with `arguments` (those of the process by default).

    Returns
    -------
    int
        0 fine; 1 findings of severity error in ``check``; 2 misuse; 3 a fault of ours;
        130 interrupted.
    """
    from dr_gen.cli.app import app

    _print_anything()
    try:
        result = app(args=None if arguments is None else list(arguments), standalone_mode=False)
        sys.stdout.flush()
    except DrGenError as error:
        return _failed(str(error), EXIT_MISUSE)
    except KeyboardInterrupt:
        return _failed("interrupted", EXIT_INTERRUPTED)
    except (BrokenPipeError, SystemExit):
        # Click turns a broken pipe into an exit of its own; nothing else in here exits.
        # The reader of our output went away (``| head``); keep Python's own exit quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _unexpected(error)
    return result if isinstance(result, int) else 0


def _print_anything() -> None:
    """Write what the output cannot encode, such as odd bytes in a file name, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _unexpected(error: Exception) -> int:
    """A usage error of the command line, or a fault of ours; told apart by their exit code."""
    if type(error).__name__ in ("Abort", "Exit"):
        return int(getattr(error, "exit_code", 1))
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error, file=sys.stderr)
        return EXIT_MISUSE
    message = getattr(error, "format_message", None)
    if callable(message):
        context = getattr(error, "ctx", None)
        hint = f"; see {context.command_path} --help" if context is not None else ""
        return _failed(" ".join(str(message()).split()).rstrip(".") + hint, EXIT_MISUSE)
    if os.environ.get("DR_GEN_DEBUG"):
        raise error
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return _failed(f"unexpected {text} (DR_GEN_DEBUG=1 shows where; please report it)", EXIT_BUG)


def _failed(message: str, code: int) -> int:
    print(f"dr-gen: {message}", file=sys.stderr)
    return code
