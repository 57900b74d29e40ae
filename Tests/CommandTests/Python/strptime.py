"""Times in lines as Python reads them.

Prints COUNT rows for a SEED: a format, a line, and the milliseconds since 1970 that Python finds in the line by it, "-" if
there is no time; with tabs between them. A time is looked for as awscli-cwlogs does, by the regular expression that strptime
makes of the format, anywhere in the line; offsets and fractions may have the lengths that ours may have.
"""
import _strptime
import datetime
import random
import re
import sys

seed, count = int(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)
UTC = datetime.timezone.utc
DATES = ["%Y-%m-%d", "%d/%b/%Y", "%d.%m.%Y", "%b %d %Y", "%a %b %d %Y", "%A, %d %B %Y", "%Y/%j", "%y%m%d", "%m/%d/%y", "%Y%m%d", "%x"]
TIMES = ["%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%H%M%S", "%X", "%H:%M:%S.%f", "%H:%M:%S,%f", "%I.%M %p", "", "%I:%M"]
BETWEEN = [" ", "T", ":", "  ", " at "]
AROUND = ["", "[", "pid 17 ", "1 ", "é ", "2026 "]


# Where digits stand together, Python takes any that fit: in what was changed those are as good as any others. And it takes
# the names of months in the length alone that the format asks for.
UNCHANGED = ["%y%m%d", "%Y%m%d", "%H%M%S", "%B"]
PATTERNS = _strptime.TimeRE()
# To the nanosecond; and with hours alone.
PATTERNS["f"] = r"(?P<f>[0-9]{1,9})"
PATTERNS["z"] = r"(?P<z>Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9]|(?![0-9])))"


def read(format, line):
    found = re.search(PATTERNS.pattern(format), line, re.IGNORECASE | re.ASCII)
    if not found:
        return "-"
    text, parts = found.group(0), found.groupdict()
    # From the last to the first, so that places stay.
    for name, group in [("z", ""), ("f", (parts.get("f") or "")[:6])]:
        if parts.get(name):
            start, end = (place - found.start() for place in found.span(name))
            text = text[:start] + group + text[end:]
    try:
        time = datetime.datetime.strptime(text, format.replace("%z", ""))
    except ValueError:
        return "-"
    digits = re.sub("[^0-9]", "", parts.get("z") or "").ljust(4, "0")
    offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if (parts.get("z") or "").startswith("-"):
        offset = -offset
    return (time - offset - datetime.datetime(1970, 1, 1)) // datetime.timedelta(milliseconds=1)


def changed(line):
    place = rng.randrange(len(line))
    return rng.choice([
        line[:place] + line[place + 1:],
        line[:place] + rng.choice("0123456789 :-+ZAPMz") + line[place + 1:],
        line[:place] + rng.choice("0123456789 :-") + line[place:],
        line.upper(),
        line.replace(" ", "   "),
    ])


for number in range(count):
    date, time = rng.choice(DATES), rng.choice(TIMES)
    format = date + (rng.choice(BETWEEN) + time if time else "")
    if rng.random() < 0.3:
        format += rng.choice(["%z", " %z"])
    moment = datetime.datetime.fromtimestamp(rng.randrange(0, 3_000_000_000), UTC)
    moment = moment.replace(microsecond=rng.randrange(1_000_000))
    zone = datetime.timezone(datetime.timedelta(minutes=rng.choice([0, 60, -300, 330, -210, 765])))
    line = rng.choice(AROUND) + moment.astimezone(zone).strftime(format) + rng.choice(["", " text", "] text", "Z"])
    if number % 2 and not any(part in format for part in UNCHANGED):
        line = changed(line)
    # It knows no leap seconds.
    if re.search("[:.]6[01]", line):
        continue
    print(format, line, read(format, line), sep="\t")
