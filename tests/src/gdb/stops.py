# Runs in gdb: starts the program and writes one line for each stop in stop_preload.c.
#
# A line is tab-separated: why gdb found no more frames, then for each frame, innermost first, its
# address, a sign for what is mapped there, and its function if gdb knows one. The signs: `+` code of
# a file, `*` of the shim or stop_preload.c, `?` generated code, `-` nothing that could be run.
# The frames of stop_preload.c and of the shim above the program's own are left out, and so are
# those that gdb invents: an inlined call has no address of its own, and a tail call left none.

import gdb

INVENTED = (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME)
OWN_LIBRARIES = ("libmemshim.so", "libstop_preload.so")


def is_own(pc):
    return (gdb.solib_name(pc) or "").endswith(OWN_LIBRARIES)


def executable_memory():
    ranges = []
    with open("/proc/%d/maps" % gdb.selected_inferior().pid) as maps:
        for line in maps:
            words = line.split()
            if "x" in words[1]:
                start, end = (int(end, 16) for end in words[0].split("-"))
                # The kernel's own code has a name too, in brackets.
                ranges.append((start, end, "+" if len(words) > 5 else "?"))
    return ranges


def described(frame, code):
    pc = frame.pc()
    signs = [sign for start, end, sign in code if start <= pc < end] or ["-"]
    sign = "*" if is_own(pc) else signs[0]
    return "%x%s%s" % (pc, sign, frame.name() or "")


def stack():
    code = executable_memory()
    frames, outermost, frame = [], None, gdb.newest_frame()
    while frame is not None:
        outermost = frame
        is_real = frame.type() not in INVENTED
        if is_real and (frames or not is_own(frame.pc())):
            frames.append(described(frame, code))
        frame = frame.older()
    reason = gdb.frame_stop_reason_string(outermost.unwind_stop_reason())
    return [reason] + frames


def follow(path):
    gdb.execute("run")
    with open(path, "w") as stops:
        while gdb.selected_inferior().pid != 0:
            stops.write("\t".join(stack()) + "\n")
            gdb.execute("continue")
