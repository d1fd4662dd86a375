"""Runs checks, each a function from a folder and the tools to what it finds. Then checks the checks: each must find the mistakes
that are planted for it, in a copy of the files with one mistake."""

import shutil
import sys
import textwrap


def report(checks, folder, tools):
    """Prints what each check finds, and exits with 1 if there is anything."""
    found = {name: list(check(folder, tools)) for name, check in checks.items()}
    for name, findings in found.items():
        print(f"  {name}: {len(findings) or 'no'} findings")
        for finding in findings:
            print(f"    {finding}")
    sys.exit(any(found.values()))


def prove(checks, mistakes, folder, tools, out):
    """Plants each mistake: check, file, text, replacement, and a part of the finding. Without the last, a finding about another
    defect would count. Only the first occurrence of the text is replaced."""
    missed = []
    for check, file, text, replacement, expected in mistakes:
        plant(folder, out, file, text, replacement)
        found = next((it for it in checks[check](out, tools) if expected in it), None)
        change = " -> ".join(repr(it.strip().splitlines()[0] if it else "") for it in (text, replacement))
        what = found and textwrap.shorten(found.replace(str(out), ""), 90, placeholder=" ...")
        print(f"  {check:<25} {textwrap.shorten(change, 70, placeholder=' ...'):<70} {what or 'NOT FOUND'}")
        missed += [] if found else [f"{check} in {file}: {change}"]
    without = checks.keys() - {check for check, *_ in mistakes}
    if missed or without:
        sys.exit("\n".join([*(f"not found by {it}" for it in missed), *(f"no mistake for {it}" for it in sorted(without))]))


def plant(folder, out, file, text, replacement):
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(folder, out)
    source = (out / file).read_text()
    if text not in source:
        sys.exit(f"{file} does not contain {text!r}")
    (out / file).write_text(source.replace(text, replacement, 1))
