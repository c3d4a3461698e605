"use strict";
// Every flow works without this file. It saves clicks, counts along, and looks after the secret while it is shown.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);

// Dialogs in browsers that don't know `commandfor` yet.
if (!("commandForElement" in HTMLButtonElement.prototype))
  for (const button of all("[commandfor]"))
    button.onclick = () => document.getElementById(button.getAttribute("commandfor")).showModal();

// A message about what was just done is not repeated when the page is reloaded.
for (const message of all("[data-once]")) {
  const address = new URL(location);
  for (const name of message.dataset.once.split(" ")) address.searchParams.delete(name);
  history.replaceState(null, "", address);
}

// The theme changes in place, so that a page with a secret stays.
const themes = one(".themes");
themes?.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(themes, event.submitter));
  fetch(themes.action, { method: "POST", body, redirect: "manual" });
  const theme = event.submitter.value;
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const button of all("button", themes)) button.setAttribute("aria-pressed", button === event.submitter);
});

// One press is one key.
for (const form of all("form[method=post]:not(.themes)"))
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
addEventListener("pageshow", () => all("[data-sent]").forEach((form) => delete form.dataset.sent));

// A key that was pasted to be searched for is cut to its id before it gets into an address.
one("form.filters")?.addEventListener("submit", (event) => {
  for (const input of event.target.elements) input.value = input.value.replace(/\w+_([^\W_]{16})_\w+/g, "$1");
});

const draft = one("form.draft");
if (draft) {
  const boxes = all("[name=permission]", draft);
  const expires = one("#expires");
  const date = one("[name=expires_on]");
  const update = () => {
    const labels = boxes.filter((box) => box.checked).map((box) => box.dataset.label);
    const lower = labels.map((label) => label.charAt(0).toLowerCase() + label.slice(1));
    if (boxes.length) one("[data-summary]").textContent = lower.join(", ") || "nothing yet";
    for (const group of all(".group", draft)) {
      const ticked = all(":checked", group).length;
      one(`#${group.id} [data-count]`).textContent =
        `${ticked} of ${all("input", group).length} granted`;
    }
    date.hidden = expires.value !== "date";
  };
  draft.addEventListener("input", update);
  for (const button of all("[data-preset]", draft))
    button.addEventListener("click", (event) => {
      event.preventDefault();
      const names = button.dataset.preset.split(" ");
      for (const box of boxes) box.checked = names.includes(box.value);
      update();
    });
  const filter = one("[data-filter]");
  if (filter) {
    filter.hidden = false;
    filter.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      for (const box of boxes)
        box.closest("label").hidden = !`${box.value} ${box.dataset.label}`.toLowerCase().includes(wanted);
      for (const group of all(".group", draft)) group.hidden = !one(`#${group.id} label:not([hidden])`);
    });
  }
  update();
}

const reveal = one("[data-reveal]");
if (reveal) {
  const shown = all("[data-secret]", reveal);
  const secret = shown[0].textContent;
  const status = one(".status");
  let safe = false;
  const say = (words) => (status.textContent = words);
  const copy = async (button) => {
    const from = one(button.dataset.copy);
    const text = from.id === "secret" ? secret : from.textContent.replace(/•+/, secret);
    try {
      await navigator.clipboard.writeText(text);
      safe = true;
      say("Secret copied to clipboard");
    } catch {
      if (hidden) toggle();
      getSelection().selectAllChildren(from);
      say("Press Ctrl+C to copy");
    }
  };
  let hidden = false;
  const hide = one("[data-hide]");
  const toggle = () => {
    hidden = !hidden;
    for (const place of shown) place.textContent = hidden ? "•".repeat(32) : secret;
    hide.textContent = hidden ? "Show" : "Hide";
    say(hidden ? "Secret hidden" : "Secret shown");
  };
  hide.hidden = false;
  hide.addEventListener("click", toggle);
  for (const button of all("[data-copy]", reveal)) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  document.addEventListener("copy", () => (safe ||= String(getSelection()).includes(secret)));
  one("[data-stored]").addEventListener("change", (event) => (safe ||= event.target.checked));
  addEventListener("beforeunload", (event) => safe || event.preventDefault());
  addEventListener("pagehide", () => shown.forEach((place) => (place.textContent = "")));
  addEventListener("pageshow", (event) => event.persisted && location.replace(reveal.dataset.reveal));
}
