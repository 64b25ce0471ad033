"""Pictures that follow one another: all of them are sent at once, so that they play smoothly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.ui.inside.images import data_url

_WHOLE_MS = 4_000
_FASTEST_MS, _SLOWEST_MS = 80, 600

_HTML = """
<div class="player">
  <img>
  <div class="bar">
    <button type="button">▶ Play</button>
    <input type="range" min="0" step="1">
    <output></output>
  </div>
</div>
"""
_CSS = """
img { max-width: 100%; image-rendering: pixelated; display: block; border-radius: 4px;
  outline: 1px solid rgb(128 128 128 / 0.35); }
.bar { display: flex; gap: 12px; align-items: center; margin-top: 8px; max-width: 640px; }
button {
  font: inherit; min-width: 6rem; padding: 4px 12px; border-radius: 8px; cursor: pointer;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color);
}
input { flex: 1; accent-color: var(--st-primary-color); }
output { min-width: 6rem; color: var(--st-text-color); font-variant-numeric: tabular-nums; }
button:focus-visible, input:focus-visible { outline: 2px solid var(--st-primary-color); }
"""
_JS = """
export default function ({ data, parentElement }) {
  const [image, button, slider, output] =
    ["img", "button", "input", "output"].map((name) => parentElement.querySelector(name));
  const last = data.frames.length - 1;
  const ready = data.frames.map((src) => { const made = new Image(); made.src = src; return made; });
  let timer = null;
  slider.max = last;
  slider.setAttribute("aria-label", data.what);
  image.alt = data.alt;

  const show = (index) => {
    slider.value = index;
    image.src = ready[index].src;
    output.textContent = data.names[index];
    slider.setAttribute("aria-valuetext", data.names[index]);
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "▶ Play";
  };
  const play = () => {
    if (Number(slider.value) === last) show(0);
    button.textContent = "❚❚ Pause";
    timer = setInterval(() => {
      const next = Number(slider.value) + 1;
      show(Math.min(next, last));
      if (next >= last) stop();
    }, data.ms);
  };
  button.onclick = () => (timer === null ? play() : stop());
  slider.oninput = () => { stop(); show(Number(slider.value)); };
  show(Math.min(last, image.src && data.frames.includes(image.src) ? Number(slider.value) : last));
  return stop;
}
"""


def show_frames(
    frames: Sequence[NDArray[np.uint8]], names: Sequence[str], *, what: str, alt: str, key: str
) -> None:
    """Pictures of one size with a button that plays them and a slider, the last one first.

    Args:
        names: what each picture shows, such as "epoch 3".
        what: the slider's label.
    """
    component = st.components.v2.component("workbench_player", html=_HTML, css=_CSS, js=_JS)
    ms = max(_FASTEST_MS, min(_SLOWEST_MS, _WHOLE_MS // len(frames)))
    component(
        data={
            "frames": [data_url(frame) for frame in frames],
            "names": list(names),
            "what": what,
            "alt": alt,
            "ms": ms,
        },
        key=key,
    )
