"""Writes text/htmlEntities.ts: the named character references of HTML, as Python's html.entities knows them.

    python test/parity/entities.py > text/htmlEntities.ts
"""
from html.entities import html5

HEAD = '''/**
 * The named character references of HTML (WHATWG HTML standard, section 13.5), as Python's `html.entities.html5` holds them.
 * Written by test/parity/entities.py. Each reference is `name=text`; a star marks the old ones that
 * need no semicolon; \\uXXXX is a UTF-16 unit.
 */
'''

def escape(text):
    """Letters and signs as they are; combining marks, spaces and what a string literal needs escaped by number."""
    plain = lambda c: c.isprintable() and not c.isspace() and c not in '\\`$*=' and not (0x300 <= ord(c) < 0x370 or 0x20d0 <= ord(c) < 0x2100 or ord(c) > 0xfdff)
    units = text.encode('utf-16-be')
    if all(map(plain, text)): return text
    return ''.join('\\u%04x' % int.from_bytes(units[i:i + 2], 'big') for i in range(0, len(units), 2))

entries = [f"{name[:-1]}{'*' if name[:-1] in html5 else ''}={escape(text)}" for name, text in sorted(html5.items()) if name.endswith(';')]
lines, line = [], ''
for entry in entries:
    if len(line) + len(entry) > 150: lines, line = lines + [line], ''
    line += (' ' if line else '') + entry
lines.append(line)
print(HEAD + 'export const HTML_ENTITIES = String.raw`\n' + '\n'.join(lines) + '\n`;')
