"""Names that fit what is being typed in the search box, as a list below it.

The box stays Streamlit's own text field: a small component beside it listens to the field, draws the
list, and puts the name that is chosen in the place of the word before the cursor.
"""

from __future__ import annotations

import streamlit as st

from tracking.filters import STATES
from workbench.ui import store

_JS = """
const WORD = /[^\\s()<>=!,'"`]*$/;
export default function ({ data, parentElement }) {
  const list = parentElement.querySelector("ul");
  let input = null, shown = [], active = -1;
  // The field may be drawn after this, and drawn anew later
  const find = () => {
    input = document.querySelector(`.st-key-${data.key} input`);
    input?.setAttribute("aria-autocomplete", "list");
    input?.setAttribute("aria-controls", list.id);
    input?.setAttribute("autocomplete", "off");
    return input;
  };
  const close = () => {
    shown = []; active = -1;
    list.hidden = true;
    input?.removeAttribute("aria-activedescendant");
  };
  const mark = (index) => {
    active = index;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", i === index));
    const item = list.children[index];
    if (!item) return;
    input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  };
  const rank = (name, word) => {
    const low = name.toLowerCase();
    const last = low.split(/[/.]/).pop();
    if (low.startsWith(word)) return 0;
    if (last.startsWith(word)) return 1;
    return low.includes(word) ? 2 : 3;
  };
  const place = () => {
    const box = input.getBoundingClientRect();
    Object.assign(list.style, { left: `${box.left}px`, top: `${box.bottom + 4}px`, width: `${Math.min(box.width, 560)}px` });
  };
  const look = () => {
    const word = input.value.slice(0, input.selectionStart).match(WORD)[0].toLowerCase();
    if (word.length < 1) return close();
    shown = data.names
      .map(([name, kind]) => [name, kind, rank(name, word)])
      .filter(([name, , r]) => r < 3 && name.toLowerCase() !== word)
      .sort((a, b) => a[2] - b[2]).slice(0, 12);
    list.replaceChildren(...shown.map(([name, kind], i) => {
      const item = document.createElement("li");
      item.id = `${list.id}-${i}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      const note = document.createElement("small");
      note.textContent = kind;
      item.append(name, note);
      item.onmousedown = (event) => { event.preventDefault(); take(i); };
      return item;
    }));
    place();
    active = -1;
    list.hidden = !shown.length;
    input.removeAttribute("aria-activedescendant");
  };
  const take = (index) => {
    const name = shown[index][0];
    const before = input.value.slice(0, input.selectionStart).replace(WORD, "");
    const after = input.value.slice(input.selectionStart);
    const text = `${before}${name} ${after.trimStart()}`;
    // React keeps the value it set itself: the field's own setter makes it see the change
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, text);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.setSelectionRange(before.length + name.length + 1, before.length + name.length + 1);
    input.focus();
    close();
  };
  const press = (event) => {
    if (list.hidden || event.target !== input) return;
    if (event.key === "ArrowDown") mark((active + 1) % shown.length);
    else if (event.key === "ArrowUp") mark((active - 1 + shown.length) % shown.length);
    else if (event.key === "Escape") { input.dataset.dismissed = input.value; close(); }
    else if (event.key === "Enter" && active >= 0) take(active);
    else { if (event.key === "Enter") close(); return; }
    event.preventDefault();
    event.stopPropagation();
  };
  const type = (event) => {
    if (!event.isTrusted || event.target !== find()) return;
    delete input.dataset.dismissed;
    look();
  };
  const leave = (event) => { if (event.target === input) close(); };
  const move = () => { if (!list.hidden) place(); };  // a table that is drawn scrolls, too
  // In the capturing phase: before Streamlit's own, which take Enter
  const listeners = { input: type, keydown: press, focusout: leave, scroll: move };
  for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener, true);
  // What was typed before this ran, or while the page was drawn again, has its offers too
  const typed = find() && document.activeElement === input && input.value !== data.typed;
  if (typed && input.dataset.dismissed !== input.value) look();
  return () => {
    close();
    for (const [name, listener] of Object.entries(listeners)) window.removeEventListener(name, listener, true);
  };
}
"""
_CSS = """
.workbench-suggestions {
  position: fixed; z-index: 1000; margin: 0; padding: 4px; list-style: none;
  max-height: 320px; overflow-y: auto; border-radius: 8px; font-size: 0.9rem;
  background: var(--st-background-color); color: var(--st-text-color);
  border: 1px solid var(--st-border-color); box-shadow: 0 6px 20px rgb(0 0 0 / 0.18);
}
.workbench-suggestions[hidden] { display: none; }
.workbench-suggestions li {
  display: flex; justify-content: space-between; gap: 1rem; padding: 4px 8px; margin: 0;
  border-radius: 5px; cursor: pointer;
}
.workbench-suggestions li[aria-selected="true"], .workbench-suggestions li:hover {
  background: var(--st-secondary-background-color);
}
.workbench-suggestions small { opacity: 0.75; }
"""
_HTML = '<ul id="suggestions-{key}" class="workbench-suggestions" role="listbox" aria-label="Names that fit" hidden></ul>'


def collect(names: store.Names) -> list[tuple[str, str]]:
    """What can stand in a filter: (name, what it is)."""
    return [
        *((state, "status") for state in STATES if " " not in state and state != "killed"),
        *((name, "metric") for name in names.metrics),
        *((name, "parameter") for name in names.params),
        *((name, "tag") for name in names.tags),
        *((name, "experiment") for name in names.experiments if " " not in name),
    ]


def offer(key: str, names: list[tuple[str, str]]) -> None:
    """Offer names in the text field of this key, which is drawn already."""
    component = st.components.v2.component(
        f"workbench_suggestions_{key}",
        html=_HTML.format(key=key),
        css=_CSS,
        js=_JS,
        isolate_styles=False,
    )
    component(
        data={"key": key, "names": names, "typed": st.session_state.get(key, "")},
        key=f"suggestions_{key}",
        height=1,
    )
