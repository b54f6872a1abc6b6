"""The accent colour of the Région, made readable: whatever is set, text on it and links in it keep 4.5:1."""

from __future__ import annotations

import colorsys
import re

_HEX = re.compile(r"^#?([0-9a-fA-F]{6})$")
MIN_CONTRAST = 4.6
LIGHT_GROUND = (0.965, 0.969, 0.976)
DARK_GROUND = (0.118, 0.137, 0.169)

Colour = tuple[float, float, float]


def parse_colour(text: str) -> Colour | None:
    """``#1f4e8c`` as red, green, blue from 0 to 1; None when it is not a colour."""
    match = _HEX.match(text.strip())
    if not match:
        return None
    digits = match.group(1)
    return tuple(int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4))  # type: ignore[return-value]


def luminance(colour: Colour) -> float:
    """Relative luminance (WCAG 2.1)."""
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: Colour, second: Colour) -> float:
    """Contrast ratio (WCAG 2.1)."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


def readable(colour: Colour, ground: Colour, *, darker: bool) -> Colour:
    """``colour``, made darker (or lighter) step by step until it can be read on ``ground``."""
    hue, light, saturation = colorsys.rgb_to_hls(*colour)
    while contrast(colour, ground) < MIN_CONTRAST:
        light = max(0.0, light - 0.02) if darker else min(1.0, light + 0.02)
        colour = colorsys.hls_to_rgb(hue, light, saturation)
    return colour


def stylesheet(setting: str) -> str:
    """The custom properties for this accent colour in both themes; empty when the setting is not a colour."""
    colour = parse_colour(setting)
    if colour is None:
        return ""
    light = readable(colour, LIGHT_GROUND, darker=True)
    dark = readable(colour, DARK_GROUND, darker=False)
    return (
        f":root{{--accent:{_hex(light)};--accent-strong:color-mix(in srgb,{_hex(light)} 82%,black)}}"
        f"@media (prefers-color-scheme:dark){{:root{{--accent:{_hex(dark)};--accent-strong:color-mix(in srgb,{_hex(dark)} 82%,white)}}}}\n"
    )
